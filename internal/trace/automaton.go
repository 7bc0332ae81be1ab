package trace

// automaton finds many strings at once in one pass (Aho and Corasick, 1975). It is read-only once made. State 0 is the
// root: no string has begun.
type automaton struct {
	start [256]int32 // the root's children
	nodes []node

	// A word that begins in the next window bytes has its first window bytes by their end; the last three of them say how
	// far the next word is at least (Wu and Manber, 1994). Nearly every byte of a log is passed over by it.
	window int // length of the shortest word, at most longestWindow
	jump   []uint8
	shift  uint // of a hash, which leaves the index into jump
}

const (
	// longestWindow keeps a jump in a byte.
	longestWindow = 255
	// block is how many bytes a jump is looked up by. Two would not do: base64 has nearly all pairs of letters.
	block = 3
	// shortestWindow is the length of the shortest word for which looking up jumps is faster than looking at each byte.
	shortestWindow = 8
)

// node stands for a string that one or more of the searched strings begin with. Children are a linked list, since
// secrets rarely share beginnings: 24 bytes for each byte of a secret, where a table would need a thousand.
type node struct {
	child, sibling int32
	fail           int32 // the longest proper suffix of this node's string that is a node as well
	depth          int32 // length of this node's string
	match          int32 // length of the longest searched string that this node's string ends with, 0 if none
	b              byte
}

// newAutomaton builds the automaton of the given strings. Empty ones are ignored.
func newAutomaton(words []string) *automaton {
	a := &automaton{nodes: make([]node, 1), window: longestWindow}
	for _, w := range words {
		if w != "" {
			a.insert(w)
			a.window = min(a.window, len(w))
		}
	}
	a.link()
	a.measure(words)
	return a
}

// measure fills the table of jumps. It has at least eight places for each block, up to what a processor keeps at hand.
func (a *automaton) measure(words []string) {
	if a.window < shortestWindow {
		return
	}
	bits := uint(12)
	for ; bits < 16 && 1<<bits < 8*len(words)*(a.window-block+1); bits++ {
	}
	a.jump, a.shift = make([]uint8, 1<<bits), 32-bits
	for place := range a.jump {
		a.jump[place] = uint8(a.window - block + 1)
	}
	for _, w := range words {
		for end := block; end <= min(a.window, len(w)); end++ { // an empty word has none
			place := &a.jump[hash(w[end-3], w[end-2], w[end-1])>>a.shift]
			*place = min(*place, uint8(a.window-end))
		}
	}
}

// hash spreads three bytes over 32 bits (Knuth's multiplicative hash).
func hash(b, c, d byte) uint32 {
	return (uint32(b)<<16 | uint32(c)<<8 | uint32(d)) * 2654435769
}

func (a *automaton) insert(word string) {
	state := int32(0)
	for i := range len(word) {
		next := a.child(state, word[i])
		if next == 0 {
			next = a.addChild(state, word[i])
		}
		state = next
	}
	a.nodes[state].match = a.nodes[state].depth
}

func (a *automaton) child(state int32, c byte) int32 {
	if state == 0 {
		return a.start[c]
	}
	for n := a.nodes[state].child; n != 0; n = a.nodes[n].sibling {
		if a.nodes[n].b == c {
			return n
		}
	}
	return 0
}

func (a *automaton) addChild(state int32, c byte) int32 {
	n := int32(len(a.nodes))
	parent := &a.nodes[state]
	added := node{b: c, depth: parent.depth + 1, sibling: parent.child}
	parent.child = n
	if state == 0 {
		a.start[c] = n
	}
	a.nodes = append(a.nodes, added)
	return n
}

// link sets the suffix links, shorter strings first since the longer ones' links go through theirs.
func (a *automaton) link() {
	order := []int32{0}
	for len(order) > 0 {
		state := order[0]
		order = order[1:]
		for n := a.nodes[state].child; n != 0; n = a.nodes[n].sibling {
			child := &a.nodes[n]
			if state != 0 {
				child.fail = a.next(a.nodes[state].fail, child.b)
			}
			if child.match == 0 {
				child.match = a.nodes[child.fail].match
			}
			order = append(order, n)
		}
	}
}

// next returns the state after c.
func (a *automaton) next(state int32, c byte) int32 {
	for state != 0 {
		if n := a.child(state, c); n != 0 {
			return n
		}
		state = a.nodes[state].fail
	}
	return a.start[c]
}

// skip returns how many bytes at the start of p no string begins with.
func (a *automaton) skip(p []byte) int {
	if len(a.nodes) == 1 {
		return len(p)
	}
	i := 0
	if a.jump != nil {
		for i+a.window <= len(p) {
			end := i + a.window
			n := int(a.jump[hash(p[end-3], p[end-2], p[end-1])>>a.shift])
			if n == 0 {
				if a.start[p[i]] != 0 {
					return i
				}
				n = 1
			}
			i += n
		}
	}
	for ; i < len(p); i++ {
		if a.start[p[i]] != 0 && a.maybe(p[i:]) {
			return i
		}
	}
	return len(p)
}

// maybe reports whether a string may begin with p, whose first byte one does begin with. Most often the second one says no.
func (a *automaton) maybe(p []byte) bool {
	return len(p) < 2 || a.nodes[a.start[p[0]]].match > 0 || a.child(a.start[p[0]], p[1]) != 0
}
