// Package ciyaml reads a .gitlab-ci.yml and gives the pipeline that GitLab would make of it.
//
// One pure function, Parse: bytes in, Pipeline out. YAML nodes are resolved first (anchors, aliases, merge keys, with a
// bound on the work), then each keyword is read by its own function, and inheritance from default is applied last. Each
// error names file and line.
//
// It will not read other files (include, extends and !reference are refused), expand variables, or guess: a keyword that
// it does not know is an error, never ignored.
package ciyaml

import "time"

// Pipeline is a whole file. Jobs are in the order of the file, hidden ones left out.
type Pipeline struct {
	Stages    []string // in order, with .pre first and .post last
	Variables []Variable
	Jobs      []Job
}

// Job is one job with everything that it inherits from default already in it. Variables holds the job's own ones only;
// they override the pipeline's by name.
type Job struct {
	Name         string
	Line         int // in the file, 1 is the first
	Stage        string
	Image        *Image // nil: the runner's default image
	Services     []Service
	Variables    []Variable
	BeforeScript []string
	Script       []string
	AfterScript  []string
	Tags         []string
	When         string // on_success, on_failure, always, manual or never
	AllowFailure bool
	// AllowedExitCodes are the exit codes for which a failure is allowed; then AllowFailure is false.
	AllowedExitCodes []int
	Timeout          time.Duration // 0: the project's
	PreGetSources    []string      // hooks:pre_get_sources_script
	Artifacts        *Artifacts    // nil: none
	Caches           []Cache
	// Dependencies are the jobs whose artifacts are downloaded; nil: those of Needs, else of all earlier stages.
	Dependencies []string
	// Needs are the jobs that this one waits for; nil: all earlier stages.
	Needs []Need
}

// Variable is one entry of variables. Raw is expand: false, that is: references in Value stay as they are.
type Variable struct {
	Name  string
	Value string
	Raw   bool
}

// Image is image: in its short or long form.
type Image struct {
	Name       string
	Entrypoint []string // nil: the image's own; [""] clears it
	Platform   string   // docker:platform
	User       string   // docker:user
	PullPolicy []string // always, if-not-present, never, in the order to try
}

// Service is one entry of services.
type Service struct {
	Image
	Alias     string
	Command   []string
	Variables []Variable
}
