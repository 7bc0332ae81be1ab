package jobapi

import "slices"

// Reasons that this runner gives for a failed job. Users' `retry:when` matches these names, so a user's mistake must
// not be reported as the system's, nor the reverse.
const (
	ReasonScriptFailure             = "script_failure"                     // the script exited with another code than 0
	ReasonRunnerSystemFailure       = "runner_system_failure"              // anything internal or unclassified
	ReasonJobExecutionTimeout       = "job_execution_timeout"              // a deadline of the job passed
	ReasonImagePullFailure          = "image_pull_failure"                 // a pull failed for an unclassified reason
	ReasonConfigurationError        = "runner_configuration_error"         // bad image reference, pull policy or access
	ReasonExternalDependencyFailure = "runner_external_dependency_failure" // the registry cannot be reached
	ReasonRunnerInterrupted         = "runner_interrupted"                 // the runner was stopped during the job
	ReasonJobCanceled               = "job_canceled"                       // never listed by a server: sent as unknown_failure
	ReasonUnknownFailure            = "unknown_failure"                    // the server's own default
)

// MapFailureReason returns the reason to send to a server that lists supported in its features.failure_reasons. A name
// that a server does not know is stored there as unknown_failure, so it is replaced by the nearest one that it knows.
// An empty reason is script_failure.
func MapFailureReason(reason string, supported []string) string {
	for {
		switch reason {
		case "":
			return ReasonScriptFailure
		case ReasonScriptFailure, ReasonRunnerSystemFailure, ReasonJobExecutionTimeout, ReasonUnknownFailure:
			return reason // known to every server
		}
		if slices.Contains(supported, reason) {
			return reason
		}
		switch reason {
		case ReasonConfigurationError:
			reason = ReasonScriptFailure
		case ReasonImagePullFailure, ReasonExternalDependencyFailure:
			reason = ReasonRunnerSystemFailure
		default:
			reason = ReasonUnknownFailure
		}
	}
}
