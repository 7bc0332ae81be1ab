package coordinator

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
)

// fieldKind is the JSON type that a field must have.
type fieldKind string

const (
	kindString  fieldKind = "string"
	kindInteger fieldKind = "integer"
	kindObject  fieldKind = "object"
	kindBool    fieldKind = "boolean"
)

// fieldSet lists the fields that an object may have; need those that it must have.
type fieldSet struct {
	may  map[string]fieldKind
	need []string
	sub  map[string]fieldSet // of objects that are checked too
}

func tokenFields() fieldSet {
	return fieldSet{may: map[string]fieldKind{"token": kindString}, need: []string{"token"}}
}

func registerFields() fieldSet {
	return fieldSet{
		may: map[string]fieldKind{
			"token": kindString, "description": kindString, "maintenance_note": kindString, "tag_list": kindString,
			"run_untagged": kindBool, "locked": kindBool, "access_level": kindString, "maximum_timeout": kindInteger,
			"paused": kindBool, "info": kindObject,
		},
		need: []string{"token", "info"},
		sub:  map[string]fieldSet{"info": infoFields()},
	}
}

func managerFields() fieldSet {
	return fieldSet{
		may:  map[string]fieldKind{"token": kindString, "system_id": kindString},
		need: []string{"token", "system_id"},
	}
}

func verifyFields() fieldSet {
	return fieldSet{
		may:  map[string]fieldKind{"token": kindString, "system_id": kindString, "info": kindObject},
		need: []string{"token", "system_id", "info"},
		sub:  map[string]fieldSet{"info": infoFields()},
	}
}

func requestFields() fieldSet {
	return fieldSet{
		may: map[string]fieldKind{
			"token": kindString, "system_id": kindString, "info": kindObject, "last_update": kindString, "session": kindObject,
		},
		need: []string{"token", "system_id", "info"},
		sub: map[string]fieldSet{"info": infoFields(), "session": {
			may:  map[string]fieldKind{"url": kindString, "certificate": kindString, "authorization": kindString},
			need: []string{"url", "certificate", "authorization"},
		}},
	}
}

func updateFields() fieldSet {
	return fieldSet{
		may: map[string]fieldKind{
			"token": kindString, "state": kindString, "info": kindObject, "failure_reason": kindString,
			"exit_code": kindInteger, "output": kindObject, "checksum": kindString,
		},
		need: []string{"token", "state", "output"},
		sub: map[string]fieldSet{
			"info": infoFields(),
			"output": {
				may:  map[string]fieldKind{"bytesize": kindInteger, "checksum": kindString},
				need: []string{"bytesize", "checksum"},
			},
		},
	}
}

func infoFields() fieldSet {
	features := fieldSet{may: map[string]fieldKind{}}
	for _, name := range featureNames() {
		features.may[name] = kindBool
	}
	return fieldSet{
		may: map[string]fieldKind{
			"name": kindString, "version": kindString, "revision": kindString, "platform": kindString,
			"architecture": kindString, "executor": kindString, "shell": kindString, "features": kindObject,
			"config": kindObject, "labels": kindObject,
		},
		need: []string{"features"},
		sub:  map[string]fieldSet{"features": features},
	}
}

func featureNames() []string {
	return []string{
		"variables", "image", "services", "service_variables", "service_multiple_aliases", "image_executor_opts",
		"service_executor_opts", "artifacts", "upload_multiple_artifacts", "upload_raw_artifacts", "artifacts_exclude",
		"cache", "fallback_cache_keys", "refspecs", "masking", "raw_variables", "multi_build_steps", "return_exit_code",
		"job_inputs", "trace_reset", "trace_checksum", "trace_size", "cancelable", "cancel_gracefully",
		"two_phase_job_commit", "vault_secrets", "session", "terminal", "proxy", "shared", "native_steps_integration",
	}
}

// readJSON decodes a body and reports what does not fit the fields. It returns what could be decoded.
func (r *referee) readJSON(call string, request *http.Request, body []byte, fields fieldSet) map[string]any {
	if !isMediaType(request, "application/json") {
		r.breach("%s: Content-Type is %q, want application/json", call, request.Header.Get("Content-Type"))
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	out := map[string]any{}
	if err := decoder.Decode(&out); err != nil {
		r.breach("%s: body is not a JSON object: %v", call, err)
		return map[string]any{}
	}
	if _, err := decoder.Token(); err != io.EOF {
		r.breach("%s: something follows the JSON object", call)
	}
	r.checkFields(call, "", out, fields)
	return out
}

func (r *referee) checkFields(call, path string, object map[string]any, fields fieldSet) {
	for _, name := range fields.need {
		if _, ok := object[name]; !ok {
			r.breach("%s: field %s%s is missing", call, path, name)
		}
	}
	for name, value := range object {
		kind, known := fields.may[name]
		switch {
		case !known:
			r.breach("%s: unknown field %s%s", call, path, name)
		case kind != kindOf(value):
			r.breach("%s: field %s%s is of the wrong type, want %s", call, path, name, kind)
		}
		sub, checked := fields.sub[name]
		if inner, ok := value.(map[string]any); ok && checked {
			r.checkFields(call, path+name+".", inner, sub)
		}
	}
}

func kindOf(value any) fieldKind {
	switch value := value.(type) {
	case string:
		return kindString
	case bool:
		return kindBool
	case map[string]any:
		return kindObject
	case json.Number:
		if _, err := value.Int64(); err == nil {
			return kindInteger
		}
	}
	return "another type"
}

// checkIdentity checks what a runner says about itself in verify and job requests.
func (r *referee) checkIdentity(call string, request *http.Request, fields map[string]any) {
	systemID, given := fields["system_id"].(string)
	if given && !regexp.MustCompile(`^[sr]_[0-9a-zA-Z]{12}$`).MatchString(systemID) {
		r.breach("%s: system_id %q has the wrong form", call, systemID)
	}
	token, _ := fields["token"].(string)
	if header := request.Header.Get("Runner-Token"); header != "" && header != token {
		r.breach("%s: token in the body and RUNNER-TOKEN header differ", call)
	}
	if info, ok := fields["info"].(map[string]any); ok {
		if features, ok := info["features"].(map[string]any); ok && len(features) == 0 {
			r.breach("%s: info.features is empty", call)
		}
	}
}

func featuresOf(fields map[string]any) map[string]bool {
	out := map[string]bool{}
	info, _ := fields["info"].(map[string]any)
	features, _ := info["features"].(map[string]any)
	for _, name := range featureNames() {
		out[name], _ = features[name].(bool)
	}
	return out
}
