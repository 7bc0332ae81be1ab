package helper

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
)

// Facts prints what the network looks like from where this process runs, as JSON: the MTU of the default route's
// interface and what resolv.conf says. The runner cannot see these of its engine's host from inside its own container.
func Facts(routes, resolvConf io.Reader, mtu func(device string) (int, error), out io.Writer) error {
	facts := struct {
		MTU    int      `json:"mtu"`
		DNS    []string `json:"dns"`
		Search []string `json:"search"`
	}{}
	device, err := defaultRoute(routes)
	if err != nil {
		return fmt.Errorf("read the routes: %w", err)
	}
	// A host without a default route has no MTU that matters.
	if device != "" {
		n, err := mtu(device)
		if err != nil {
			return fmt.Errorf("read the MTU of %s: %w", device, err)
		}
		facts.MTU = n
	}
	lines := bufio.NewScanner(resolvConf)
	for lines.Scan() {
		switch words := strings.Fields(lines.Text()); {
		case len(words) < 2:
		case words[0] == "nameserver":
			facts.DNS = append(facts.DNS, words[1])
		case words[0] == "search":
			facts.Search = words[1:]
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read resolv.conf: %w", err)
	}
	return json.NewEncoder(out).Encode(facts)
}

// InterfaceMTU is the mtu for Facts on a real machine.
func InterfaceMTU(device string) (int, error) {
	i, err := net.InterfaceByName(device)
	if err != nil {
		return 0, err
	}
	return i.MTU, nil
}

// defaultRoute is the interface of the default route in the text of /proc/net/route, whose second column is the
// destination in hexadecimal; with several, that of the lowest metric, its seventh column.
func defaultRoute(routes io.Reader) (device string, err error) {
	best := 0
	lines := bufio.NewScanner(routes)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		var metric int
		if len(words) < 8 || words[1] != "00000000" || words[7] != "00000000" {
			continue
		}
		if _, err := fmt.Sscan(words[6], &metric); err == nil && (device == "" || metric < best) {
			device, best = words[0], metric
		}
	}
	return device, lines.Err()
}
