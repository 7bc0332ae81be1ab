package config

import "strings"

// hint says what an unknown key may have meant: one that gitlab-runner has renamed, a key of another table, which is the
// usual mistake, or one that is spelt nearly so.
func hint(fields []field, path, key string) string {
	renamed := map[string]string{"runners.pre_clone_script": "pre_get_sources_script", "runners.post_clone_script": "post_get_sources_script"}
	if now := renamed[path+strings.ToLower(key)]; now != "" {
		return "it is called " + now + " since gitlab-runner 16"
	}
	for _, k := range Keys() {
		cut := strings.LastIndex(k.Path, ".") + 1
		if strings.EqualFold(k.Path[cut:], key) && k.Path[:cut] != path && k.Class != OtherExecutor {
			return "it belongs to " + tableName(k.Path[:cut])
		}
	}
	var keys []string
	for _, f := range fields {
		keys = append(keys, f.key)
	}
	return nearest(key, keys)
}

// nearest says which of the names a misspelt one may have meant.
func nearest(key string, names []string) string {
	best, distance := "", 3
	for _, name := range names {
		if d := editDistance(strings.ToLower(key), strings.ToLower(name)); d < distance && d < len(name)/2 {
			best, distance = name, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "check its spelling, or remove it"
}

// tableName is a table as a TOML file begins it.
func tableName(path string) string {
	switch path = strings.TrimSuffix(path, "."); path {
	case "":
		return "the top of the file, before the first table"
	case "runners", "runners.docker.services":
		return "[[" + path + "]]"
	}
	return "[" + path + "]"
}

// editDistance is the number of letters to insert, remove or replace (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
