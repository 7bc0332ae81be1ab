package ciyaml

import "fmt"

// Artifacts is artifacts: of a job. What only GitLab's pages use (expose_as, access, public) is checked and left out.
type Artifacts struct {
	Name      string
	Paths     []string
	Exclude   []string
	Untracked bool
	When      string // on_success (also when empty), on_failure or always
	ExpireIn  string
	Reports   []Report // in the order of the file
}

// Report is one entry of artifacts:reports.
type Report struct {
	Type   string // junit, dotenv and others
	Format string // that GitLab asks for: gzip, raw or zip
	Paths  []string
}

// artifactsReader reads artifacts: out of resolved nodes.
type artifactsReader struct{ source }

func (r artifactsReader) artifacts(value node, owner string) (*Artifacts, error) {
	what := `"artifacts" of ` + owner
	if value.kind != yamlMapping {
		return nil, r.errorf(value.line, "%s must be a mapping, this is %s", what, value.describe())
	}
	out := &Artifacts{}
	for _, e := range value.entries {
		if e.value.isNull() {
			continue
		}
		if err := r.artifactKeyword(out, e, fmt.Sprintf("%q in %s", e.key, what)); err != nil {
			return nil, err
		}
	}
	if len(out.Exclude) > 0 && len(out.Paths) == 0 && !out.Untracked {
		return nil, r.errorf(value.line, "%s has exclude, but neither paths nor untracked", what)
	}
	return out, nil
}

func (r artifactsReader) artifactKeyword(out *Artifacts, e entry, what string) (err error) {
	switch e.key {
	case "name":
		out.Name, err = r.text(e.value, what)
	case "paths":
		out.Paths, err = r.stringList(e.value, what)
	case "exclude":
		out.Exclude, err = r.stringList(e.value, what)
	case "untracked":
		out.Untracked, err = r.boolean(e.value, what)
	case "when":
		out.When, err = r.oneOf(e.value, what, "on_success", "on_failure", "always")
	case "expire_in":
		out.ExpireIn, err = r.text(e.value, what)
	case "reports":
		out.Reports, err = r.reports(e.value, what)
	case "expose_as", "access":
		_, err = r.text(e.value, what)
	case "public":
		_, err = r.boolean(e.value, what)
	default:
		err = r.errorf(e.line, "keyword %s is not supported by exec yet", what)
	}
	return err
}

func (r artifactsReader) reports(value node, what string) ([]Report, error) {
	if value.kind != yamlMapping {
		return nil, r.errorf(value.line, "%s must be a mapping, this is %s", what, value.describe())
	}
	var out []Report
	for _, e := range value.entries {
		if e.value.isNull() {
			continue
		}
		report, err := r.report(e, fmt.Sprintf("report %q in %s", e.key, what))
		if err != nil {
			return nil, err
		}
		out = append(out, report)
	}
	return out, nil
}

func (r artifactsReader) report(e entry, what string) (Report, error) {
	if e.key == "coverage_report" {
		return r.coverageReport(e.value, what)
	}
	out := Report{Type: e.key, Format: reportFormat(e.key)}
	if out.Format == "" {
		return Report{}, r.errorf(e.line, "%s is none that GitLab knows", what)
	}
	if e.value.kind == yamlSequence {
		var err error
		out.Paths, err = r.stringList(e.value, what)
		return out, err
	}
	path, err := r.text(e.value, what)
	out.Paths = []string{path}
	return out, err
}

// coverageReport reads the form that names its format beside the path.
func (r artifactsReader) coverageReport(value node, what string) (Report, error) {
	format, hasFormat := value.get("coverage_format")
	path, hasPath := value.get("path")
	if !hasFormat || !hasPath {
		return Report{}, r.errorf(value.line, "%s needs coverage_format and path", what)
	}
	kind, err := r.oneOf(format, "coverage_format of "+what, "cobertura", "jacoco")
	if err != nil {
		return Report{}, err
	}
	file, err := r.text(path, "path of "+what)
	return Report{Type: kind, Format: reportFormat(kind), Paths: []string{file}}, err
}

// reportFormat is how GitLab wants a report (job-api contract 7.3); empty for one that does not exist.
func reportFormat(kind string) string {
	switch kind {
	case "junit", "dotenv", "cobertura", "jacoco", "metrics", "cyclonedx", "annotations", "repository_xray":
		return "gzip"
	case "lsif", "scip":
		return "zip"
	case "terraform", "accessibility", "codequality", "requirements", "requirements_v2", "performance", "browser_performance",
		"load_performance", "sast", "secret_detection", "dependency_scanning", "container_scanning", "cluster_image_scanning",
		"dast", "license_scanning", "coverage_fuzzing", "api_fuzzing", "sarif":
		return "raw"
	}
	return ""
}
