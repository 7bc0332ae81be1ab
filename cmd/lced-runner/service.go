package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newServices are gitlab-runner's commands for a system service, which lced-runner leaves to the system's own tools.
func newServices() (commands []*cobra.Command) {
	for name, instead := range map[string]string{
		"install":   "copy deploy/lced-runner.service to /etc/systemd/system and run `systemctl enable --now lced-runner`",
		"uninstall": "run `systemctl disable --now lced-runner`",
		"start":     "run `systemctl start lced-runner` or `docker compose up -d`",
		"stop":      "run `systemctl stop lced-runner` or `docker compose stop`",
		"restart":   "run `systemctl restart lced-runner` or `docker compose restart`",
	} {
		commands = append(commands, &cobra.Command{
			Use: name, Hidden: true, Short: "Not a command of lced-runner: use systemctl or docker compose",
			DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return fmt.Errorf("lced-runner manages no system service: %s", instead)
			},
		})
	}
	return commands
}
