package config

import (
	"reflect"
	"strings"
	"unicode"
)

// registration is the name of the flag of `register` for a key of the table whose path is prefix, and that of the
// variable that stands for it; gitlab-runner's rule, from which some names of its differ. Keys of lists of tables, and
// those that are not the runner's, have neither.
func (f field) registration(prefix string) (flag, env string) {
	group := map[string]struct{ flag, env string }{
		"runners.":                  {"", "RUNNER_"},
		"runners.custom_build_dir.": {"custom_build_dir-", "CUSTOM_BUILD_DIR_"},
		"runners.artifact.":         {"artifact-", "RUNNER_ARTIFACT_"},
		"runners.cache.":            {"cache-", "CACHE_"},
		"runners.cache.s3.":         {"cache-s3-", "CACHE_S3_"},
		"runners.cache.gcs.":        {"cache-gcs-", "CACHE_GCS_"},
		"runners.cache.azure.":      {"cache-azure-", "CACHE_AZURE_"},
		"runners.docker.":           {"docker-", "DOCKER_"},
		"runners.dind.":             {"dind-", "LCED_DIND_"},
	}
	g, ok := group[prefix]
	kind, of := f.kinds()
	if !ok || f.flag == "-" || f.class == OtherExecutor || (kind == Table || kind == List) && of == Table {
		return "", ""
	}
	name := dashed(f.key)
	flag, env = g.flag+name, g.env+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	if f.flag != "" {
		flag = f.flag
	}
	switch f.env {
	case "":
	case "-":
		env = ""
	default:
		env = f.env
	}
	return flag, env
}

// dashed writes services_limit as services-limit, and BucketName as bucket-name.
func dashed(key string) string {
	var b strings.Builder
	letters := []rune(key)
	for i, r := range letters {
		if unicode.IsUpper(r) && i > 0 && unicode.IsLower(letters[i-1]) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.ReplaceAll(b.String(), "_", "-")
}

// kinds are how the file writes the key's value, and what that holds.
func (f field) kinds() (kind, of Kind) {
	if f.unit != "" {
		return Integer, ""
	}
	return kindsOf(f.typ)
}

func kindsOf(t reflect.Type) (kind, of Kind) {
	switch {
	case typeName(t) == "date and time":
		return Moment, ""
	case isText(t) || typeName(t) == "duration":
		return Text, ""
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kindsOf(t.Elem())
	case reflect.Bool:
		return Boolean, ""
	case reflect.Int, reflect.Int64:
		return Integer, ""
	case reflect.Struct:
		return Table, Table
	case reflect.Slice:
		of, _ = kindsOf(t.Elem())
		return List, of
	case reflect.Map:
		of, _ = kindsOf(t.Elem())
		return Table, of
	}
	return Text, ""
}
