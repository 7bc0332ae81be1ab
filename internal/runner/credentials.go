package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/plan"
)

// helperTimeout bounds one call of a credential helper.
const helperTimeout = 30 * time.Second

// DockerLogins is docker's config.json with the logins that credential helpers keep written into its auths, which is the
// only part that package plan reads. docker-credential-<name> is asked for each registry of credHelpers, and for all that
// the one of credsStore lists. A helper that is missing, as in the runner's own image, is a warning; one whose name is a
// path is an error. It is asked for every job, since the logins of cloud registries last for hours only.
func DockerLogins(ctx context.Context, file []byte) (merged []byte, warnings []string, err error) {
	var c struct {
		CredsStore  string            `json:"credsStore"`
		CredHelpers map[string]string `json:"credHelpers"`
	}
	var all map[string]json.RawMessage
	// A malformed file is package plan's to tell of.
	if json.Unmarshal(file, &c) != nil || json.Unmarshal(file, &all) != nil || c.CredsStore == "" && len(c.CredHelpers) == 0 {
		return file, nil, nil
	}
	auths := map[string]json.RawMessage{}
	if json.Unmarshal(all["auths"], &auths) != nil {
		auths = map[string]json.RawMessage{}
	}
	wanted := map[string]string{} // helper by registry
	if c.CredsStore != "" {
		var listed map[string]string
		if err := askHelper(ctx, c.CredsStore, "list", "", &listed); errors.Is(err, errHelperName) {
			return nil, nil, &plan.ConfigError{Err: err}
		} else if err != nil {
			warnings = append(warnings, err.Error())
		}
		for registry := range listed {
			wanted[registry] = c.CredsStore
		}
	}
	maps.Copy(wanted, c.CredHelpers)
	for _, registry := range slices.Sorted(maps.Keys(wanted)) {
		var login struct{ Username, Secret string }
		err := askHelper(ctx, wanted[registry], "get", registry, &login)
		switch {
		case errors.Is(err, errHelperName):
			return nil, nil, &plan.ConfigError{Err: err}
		case err != nil:
			warnings = append(warnings, fmt.Sprintf("no login for %s: %v", registry, err))
			continue
		}
		one := map[string]string{"username": login.Username, "password": login.Secret}
		if login.Username == "<token>" { // what helpers call an identity token
			one = map[string]string{"identitytoken": login.Secret}
		}
		if auths[registry], err = json.Marshal(one); err != nil {
			return nil, nil, err
		}
	}
	if all["auths"], err = json.Marshal(auths); err != nil {
		return nil, nil, err
	}
	merged, err = json.Marshal(all)
	return merged, warnings, err
}

// HelperImage is helper_image with the login for it; without a name where the configuration has none.
func HelperImage(ctx context.Context, r *config.Runner, dockerAuth []byte) (executor.Image, error) {
	image := executor.Image{Ref: r.Docker.HelperImage}
	if image.Ref == "" {
		return image, nil
	}
	logins, _, err := DockerLogins(ctx, dockerAuth) // each job is told of what cannot be read
	if err != nil {
		return image, err
	}
	image.Auth, image.AuthFrom, _ = plan.Login(r, image.Ref, logins)
	return image, nil
}

var errHelperName = errors.New("the name of a docker credential helper must not be a path")

// askHelper runs a credential helper of PATH. Its output is secret, and so is no part of an error.
func askHelper(ctx context.Context, name, verb, input string, answer any) error {
	if strings.ContainsAny(name, `/\`) {
		return fmt.Errorf("%w: %q in docker's config.json", errHelperName, name)
	}
	program := "docker-credential-" + name
	ctx, cancel := context.WithTimeoutCause(ctx, helperTimeout, fmt.Errorf("%s did not answer for %v", program, helperTimeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, program, verb)
	cmd.Stdin = strings.NewReader(input)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("the credential helper %s is not in the runner's PATH: install it, or write the login into auths of the docker config.json", program)
	case err != nil:
		return fmt.Errorf("%s %s: %w", program, verb, err)
	}
	if json.Unmarshal(bytes.TrimSpace(out), answer) != nil {
		return fmt.Errorf("%s %s does not answer in JSON", program, verb)
	}
	return nil
}
