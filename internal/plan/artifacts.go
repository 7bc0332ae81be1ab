package plan

import (
	"strings"

	"lced-runner/executor"
	"lced-runner/internal/helper"
	"lced-runner/jobapi"
)

// movesArtifacts reports whether the job needs a helper for its artifacts or for those of earlier jobs.
func movesArtifacts(job *jobapi.Job) bool {
	return len(job.Artifacts) > 0 || len(dependencies(job)) > 0
}

// dependencies are the earlier jobs that have an archive.
func dependencies(job *jobapi.Job) []helper.Dependency {
	var jobs []helper.Dependency
	for _, d := range job.Dependencies {
		if d.ArtifactsFile.Filename != "" {
			jobs = append(jobs, helper.Dependency{ID: d.ID, Name: d.Name, Token: d.Token, Size: d.ArtifactsFile.Size})
		}
	}
	return jobs
}

// makeDownload is nil where there is nothing to download.
func makeDownload(c *compiler) *helper.Download {
	jobs := dependencies(c.Job)
	if len(jobs) == 0 {
		return nil
	}
	return &helper.Download{
		GitLab: gitlabOf(c), Jobs: jobs, Direct: c.flags["FF_USE_DIRECT_DOWNLOAD"],
		Attempts: attemptsOf(c, "ARTIFACT_DOWNLOAD_ATTEMPTS"),
	}
}

// makeUpload is what is uploaded after a success or a failure (job-api contract 7.5); nil where that is nothing.
func makeUpload(c *compiler, when executor.When) *helper.Upload {
	u := &helper.Upload{
		GitLab: gitlabOf(c), JobID: c.Job.ID, Token: c.Job.Token,
		CompressionLevel: c.vars.get("ARTIFACT_COMPRESSION_LEVEL"), Provenance: provenanceOf(c),
	}
	for _, a := range c.Job.Artifacts {
		if !runsWhen(a.When, when) {
			continue
		}
		format := a.Format
		if format == "" {
			format = "zip"
		}
		u.Artifacts = append(u.Artifacts, helper.Artifact{
			Name: a.Name, Untracked: a.Untracked, Paths: a.Paths, Exclude: a.Exclude, Type: a.Type, Format: format, ExpireIn: a.ExpireIn,
		})
	}
	if len(u.Artifacts) == 0 {
		return nil
	}
	return u
}

// provenanceOf is what a job's archives say of where they come from, where it wants that.
func provenanceOf(c *compiler) *helper.Provenance {
	if !c.bool("RUNNER_GENERATE_ARTIFACTS_METADATA", false) {
		return nil
	}
	if v := c.vars.get("SLSA_PROVENANCE_SCHEMA_VERSION"); v != "" && v != "v1" {
		c.warn("SLSA_PROVENANCE_SCHEMA_VERSION is %q: this runner writes v1", v)
	}
	source := strings.TrimSuffix(repoURL(c), ".git")
	p := &helper.Provenance{
		Builder: source + "/-/runners/" + c.vars.get("CI_RUNNER_ID"), Version: c.Version, Source: source, Commit: c.Job.GitInfo.SHA,
		EntryPoint: c.Job.JobInfo.Name, Runner: c.Runner.Name, Architecture: strings.TrimPrefix(c.Facts.Platform, "linux/"), Started: c.Started,
	}
	for _, v := range c.Job.Variables {
		p.Parameters = append(p.Parameters, v.Key)
	}
	return p
}

// runsWhen tells whether something with this when: belongs to the stage after a success or a failure (job-api contract 7.5).
func runsWhen(when string, stage executor.When) bool {
	switch when {
	case "always":
		return true
	case "on_failure":
		return stage == executor.OnFailure
	}
	return stage == executor.OnSuccess
}

// gitlabOf is how the helper reaches GitLab.
func gitlabOf(c *compiler) helper.GitLab {
	return helper.GitLab{
		URL: c.Runner.URL, CACertPEM: c.ServerCA, ClientCertPEM: c.ClientCert, ClientKeyPEM: c.ClientKey,
		UserAgent: userAgent(c), Timeout: c.Runner.Artifact.UploadTimeout, ResponseTimeout: c.Runner.Artifact.ResponseHeaderTimeout,
	}
}

// userAgent is what the helper calls itself over HTTP.
func userAgent(c *compiler) string { return "lced-runner " + c.Version + " " + c.Facts.Platform }
