package helper

import (
	"fmt"
	"os"
	"strings"
)

// obeyProxies makes this process use the proxies that the job's variables name, as git does.
func obeyProxies(env map[string]string) error {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		for _, name := range []string{name, strings.ToLower(name)} {
			if value, set := env[name]; set {
				if err := os.Setenv(name, value); err != nil {
					return fmt.Errorf("use the proxy of %s: %w", name, err)
				}
			}
		}
	}
	return nil
}
