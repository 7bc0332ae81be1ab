package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newServices are gitlab-runner's commands for a system service, which lced-runner leaves to the system's own tools, and
// others of its that are not needed here. Each says what to do instead.
func newServices() (commands []*cobra.Command) {
	for name, instead := range map[string]string{
		"install":   "copy lced-runner.service, which each release has (deploy/ in the sources), to /etc/systemd/system and run `systemctl enable --now lced-runner`",
		"uninstall": "run `systemctl disable --now lced-runner`",
		"start":     "run `systemctl start lced-runner` or `docker compose up -d`",
		"stop":      "run `systemctl stop lced-runner` or `docker compose stop`",
		"wrapper":   "use systemd, or the restart policy of docker",
		"fleeting":  "there are no autoscaled executors",
		"restart":   "run `systemctl restart lced-runner` or `docker compose restart`",
	} {
		commands = append(commands, &cobra.Command{
			Use: name, Hidden: true, Short: "Not a command of lced-runner",
			DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return fmt.Errorf("lced-runner does not have gitlab-runner's %s: %s", name, instead)
			},
		})
	}
	return commands
}
