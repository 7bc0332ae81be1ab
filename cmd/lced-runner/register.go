package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lced-runner/internal/config"
	"lced-runner/internal/registration"
	"lced-runner/jobapi"
)

// registerOptions are the flags of register that are no keys of the configuration.
type registerOptions struct {
	file, template string
	token          string // of the old way of registration
	nonInteractive bool
	leave          bool
	made           jobapi.Registration
}

func newRegister(g *globals) *cobra.Command {
	var o registerOptions
	cmd := &cobra.Command{
		Use:   "register",
		Short: "Register a new runner with GitLab",
		Long: "Register a new runner with GitLab and add it to the configuration; a running lced-runner takes it over by itself.\n" +
			"Make the runner in GitLab first (CI/CD settings, New runner), and give the glrt- token that it shows. What is not given is asked for.",
		Example: "  lced-runner register\n" +
			"  lced-runner register --non-interactive --url https://gitlab.example.com --token glrt-… --docker-image alpine --dind-privileged\n" +
			"  docker run --rm -it -v \"$PWD/gitlab-runner-region:/home/gitlab-runner\" lced-runner:latest register",
		Args: noArguments,
	}
	flags := cmd.Flags()
	keys := addKeyFlags(flags)
	configFlag(flags, &o.file)
	flags.StringVar(&o.template, "template-config", os.Getenv("TEMPLATE_CONFIG_FILE"), "file with one [[runners]] that gives what is not given otherwise ($TEMPLATE_CONFIG_FILE)")
	flags.StringVarP(&o.token, "registration-token", "r", os.Getenv("REGISTRATION_TOKEN"), "token of the old way of registration, where GitLab still has it ($REGISTRATION_TOKEN)")
	flags.Lookup("registration-token").DefValue = "" // no help shows it
	boolFlag(flags, &o.nonInteractive, "non-interactive", "n", false, "REGISTER_NON_INTERACTIVE", "ask nothing")
	boolFlag(flags, &o.leave, "leave-runner", "", false, "REGISTER_LEAVE_RUNNER", "leave the runner in GitLab if anything fails once it is there")
	addServerFlags(flags, &o.made)
	keys.complete(cmd)
	offer(cmd, "access-level", "not_protected", "ref_protected")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if value, given := os.LookupEnv("REGISTER_MAXIMUM_TIMEOUT"); given && !flags.Changed("maximum-timeout") {
			if _, err := strconv.Atoi(value); err != nil {
				return fmt.Errorf("REGISTER_MAXIMUM_TIMEOUT: expected a whole number of seconds, found %q", value)
			}
		}
		var p *prompt
		if !o.nonInteractive {
			p = &prompt{in: bufio.NewReader(cmd.InOrStdin()), out: cmd.OutOrStdout()}
		}
		return register(cmd.Context(), g, o, keys, serverFlags(flags), p, cmd.OutOrStdout())
	}
	return cmd
}

// addServerFlags defines what only the old way of registration can set; GitLab's pages do it now.
func addServerFlags(flags *pflag.FlagSet, made *jobapi.Registration) {
	flags.StringVar(&made.Tags, "tag-list", os.Getenv("RUNNER_TAG_LIST"), "with --registration-token: tags, with commas between them ($RUNNER_TAG_LIST)")
	boolFlag(flags, &made.RunUntagged, "run-untagged", "", false, "REGISTER_RUN_UNTAGGED", "with --registration-token: take jobs without tags; always so if there are no tags")
	boolFlag(flags, &made.Locked, "locked", "", true, "REGISTER_LOCKED", "with --registration-token: no other project may use it")
	flags.StringVar(&made.AccessLevel, "access-level", os.Getenv("REGISTER_ACCESS_LEVEL"), "with --registration-token: not_protected or ref_protected ($REGISTER_ACCESS_LEVEL)")
	timeout, _ := strconv.Atoi(os.Getenv("REGISTER_MAXIMUM_TIMEOUT"))
	flags.IntVar(&made.MaximumTimeout, "maximum-timeout", timeout, "with --registration-token: seconds that a job may take, 600 or more ($REGISTER_MAXIMUM_TIMEOUT)")
	boolFlag(flags, &made.Paused, "paused", "", false, "REGISTER_PAUSED", "with --registration-token: take no jobs until GitLab says so")
	flags.StringVar(&made.MaintenanceNote, "maintenance-note", os.Getenv("REGISTER_MAINTENANCE_NOTE"), "with --registration-token: note for administrators ($REGISTER_MAINTENANCE_NOTE)")
}

// serverFlags are those of addServerFlags that were given.
func serverFlags(flags *pflag.FlagSet) (given []string) {
	for _, name := range []string{"tag-list", "run-untagged", "locked", "access-level", "maximum-timeout", "paused", "maintenance-note"} {
		if flags.Changed(name) {
			given = append(given, "--"+name)
		}
	}
	return given
}

// boolFlag defines a flag whose variable may also be there and empty, which is true, as in gitlab-runner.
func boolFlag(flags *pflag.FlagSet, into *bool, name, short string, def bool, env, usage string) {
	if value, given := os.LookupEnv(env); given {
		truth, err := strconv.ParseBool(value)
		def = value == "" || err == nil && truth
	}
	flags.BoolVarP(into, name, short, def, usage+" ($"+env+")")
}

// noArguments refuses what is left of the command line.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%q is neither a flag nor the value of one: a flag that is true or false takes its value with an equal sign, as in --locked=true", args[0])
}

func register(ctx context.Context, g *globals, o registerOptions, keys keyFlags, serverSide []string, p *prompt, out io.Writer) error {
	d, err := keys.draft()
	if err != nil {
		return err
	}
	if o.template != "" {
		if err := d.Fill(o.template); err != nil {
			return err
		}
	}
	m, err := newMachine(g, newConfig(o.file))
	if err != nil {
		return err
	}
	q := registration.Request{Draft: d, Made: o.made, Keep: o.leave}
	if err := askServer(p, d, &q, o.token); err != nil {
		return err
	}
	token := jobapi.Secret(d.Text("token"))
	switch {
	case q.Old != "":
		m.Logger.Warn("Registration tokens are deprecated: make the runner in GitLab (CI/CD settings, New runner) and register with its glrt- token")
		q.Made.RunUntagged = q.Made.RunUntagged || q.Made.Tags == ""
		q.Made.Description = d.Text("name")
	case len(serverSide) > 0 && o.token == "":
		return fmt.Errorf("%s cannot be given with a runner authentication token: these are set in GitLab", strings.Join(serverSide, ", "))
	case len(serverSide) > 0:
		m.Logger.Warn("These flags are ignored, as GitLab has their values for a runner with an authentication token", "flags", strings.Join(serverSide, ", "))
	case !token.MadeInGitLab() && !strings.HasPrefix(d.Text("token"), "$"):
		m.Logger.Warn("The token is taken as that of a runner that is registered already; if it is a registration token, give it by --registration-token")
	}
	if err := askExecutor(p, d); err != nil {
		return err
	}
	if q.Old != "" {
		d.SetText("token", q.Old.Reveal()) // in place of the one to come, which nothing need miss
	}
	r, warnings, err := d.Runner(os.Getenv)
	for _, w := range warnings {
		m.Logger.Warn(w.String())
	}
	if err != nil {
		return err
	}
	c, _, err := config.Load(m.File, os.Getenv)
	if err != nil {
		c = config.Default() // what is wrong with it is told when it is changed
	}
	if r.Limit > c.Concurrent {
		m.Logger.Warn("The limit is above concurrent of the configuration, which stays as it is", "limit", r.Limit, "concurrent", c.Concurrent)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT) // from here on there is something to undo
	defer stop()
	if err := m.Register(ctx, q); err != nil {
		return err
	}
	fmt.Fprintf(out, "Runner registered successfully. Feel free to start it, but if it's running already the config should be automatically reloaded!\n\n"+
		"Configuration (with the authentication token) was saved in %q\n", m.File)
	return nil
}

// askServer completes url, token and name, in gitlab-runner's order. The token may be an authentication token wherever it
// comes from; what is left for q.Old is one of the old way.
func askServer(p *prompt, d *config.Draft, q *registration.Request, old string) error {
	if err := p.text(d, "Enter the GitLab instance URL (for example, https://gitlab.com/)", "url", "--url", ""); err != nil {
		return err
	}
	if !d.Has("token") {
		answer, err := p.ask("Enter the registration token", old, false)
		if err != nil {
			return missing("a token", "--token", err)
		}
		if token := jobapi.Secret(answer); token.MadeInGitLab() || strings.HasPrefix(answer, "glrtr-") {
			d.SetText("token", answer)
		} else {
			q.Old = token
			d.SetText("token", "") // keeps its place before what belongs to it
		}
	}
	host, _ := os.Hostname() // a name is not needed
	if q.Old == "" {
		return p.text(d, "Enter a name for the runner. This is stored only in the local configuration file", "name", "--name", host)
	}
	if err := p.text(d, "Enter a description for the runner", "name", "--description", host); err != nil {
		return err
	}
	var err error
	if q.Made.Tags, err = p.ask("Enter tags for the runner (comma-separated)", q.Made.Tags, true); err != nil {
		return err
	}
	q.Made.MaintenanceNote, err = p.ask("Enter optional maintenance note for the runner", q.Made.MaintenanceNote, true)
	return err
}

// askExecutor completes what the executor needs: the default image, and the volume that keeps caches.
func askExecutor(p *prompt, d *config.Draft) error {
	if err := p.text(d, "Enter an executor: docker", "executor", "--executor", "docker"); err != nil {
		return err
	}
	if e := d.Text("executor"); !strings.EqualFold(e, "docker") {
		return fmt.Errorf("the executor %q is none of lced-runner's: it has docker only", e)
	}
	if err := p.text(d, "Enter the default Docker image (for example, ruby:3.3)", "docker.image", "--docker-image", ""); err != nil {
		return err
	}
	d.AddCacheVolume()
	return nil
}

// text asks for a string of the draft, with what it has, else def, for an empty answer.
func (p *prompt) text(d *config.Draft, question, path, flag, def string) error {
	present := d.Text(path)
	if present == "" {
		present = def
	}
	answer, err := p.ask(question, present, false)
	if err != nil {
		return missing("a value for "+path, flag, err)
	}
	d.SetText(path, answer)
	return nil
}

// missing names the flag of a value that nobody could be asked for.
func missing(what, flag string, err error) error {
	if errors.Is(err, errMissing) {
		return fmt.Errorf("%s needs to be given: use %s", what, flag)
	}
	return err
}
