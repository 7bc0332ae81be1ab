package coordinator

import (
	"archive/zip"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// checkArtifact reads an artifact to its end and says what is wrong with it.
func checkArtifact(a *artifact) error {
	switch a.Format {
	case formatZip:
		return checkZip(a)
	case formatGzip:
		z, err := gzip.NewReader(a.content())
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, z)
		return err
	}
	return nil
}

// checkZip reads every member, whose checksum is then compared, and looks at the names: GitLab's own reader refuses others.
func checkZip(a *artifact) error {
	z, err := zip.NewReader(a.file, a.Size)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, f := range z.File {
		clean := strings.TrimSuffix(f.Name, "/")
		switch {
		case !utf8.ValidString(f.Name) || f.NonUTF8:
			return fmt.Errorf("name %q is not marked as UTF-8", f.Name)
		case clean == "" || path.IsAbs(clean) || path.Clean(clean) != clean || strings.HasPrefix(clean, "..") || strings.Contains(clean, `\`):
			return fmt.Errorf("name %q is not clean and relative", f.Name)
		case f.Mode().IsDir() != strings.HasSuffix(f.Name, "/"):
			return fmt.Errorf("name %q and mode %v disagree", f.Name, f.Mode())
		case seen[clean]:
			return fmt.Errorf("name %q comes twice", f.Name)
		}
		seen[clean] = true
		content, err := f.Open()
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, content)
		content.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

// maxDotenv is GitLab's default limit for a dotenv report, in bytes.
const maxDotenv = 5 << 10

// invalidFormat is how GitLab begins its refusal of a dotenv report.
const invalidFormat = "Invalid Format!"

// readDotenv reads the lines KEY=value of a dotenv report.
func readDotenv(a *artifact) ([]Variable, error) {
	z, err := gzip.NewReader(a.content())
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, maxDotenv+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxDotenv {
		return nil, fmt.Errorf("dotenv artifact is larger than %d bytes", maxDotenv)
	}
	key := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	var out []Variable
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || !key.MatchString(name) {
			return nil, fmt.Errorf("%s line %q is not KEY=value", invalidFormat, line)
		}
		value = strings.TrimSpace(value)
		for _, quote := range []string{`"`, `'`} {
			if len(value) >= 2 && strings.HasPrefix(value, quote) && strings.HasSuffix(value, quote) {
				value = value[1 : len(value)-1]
				break
			}
		}
		out = append(out, Variable{Key: name, Value: value})
	}
	return out, nil
}
