package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lced-runner/internal/config"
)

// keyFlags are the flags of all keys of a [[runners]] table, as gitlab-runner has them.
type keyFlags []*keyFlag

// keyFlag is the flag of one key. A list takes one element each time that it is given, a table one name:value.
type keyFlag struct {
	key    config.Key
	values []string
}

// addKeyFlags defines the flags, each with the environment variable that stands for it.
func addKeyFlags(flags *pflag.FlagSet) keyFlags {
	short := map[string]string{"url": "u", "token": "t"}
	var all keyFlags
	for _, k := range config.Keys() {
		if k.Flag == "" {
			continue
		}
		f := &keyFlag{key: k}
		usage := k.Doc
		switch k.Kind {
		case config.List:
			usage += "; may be repeated"
		case config.Table:
			usage += "; NAME:VALUE, may be repeated"
		}
		if k.Class != config.Honoured {
			usage += "; accepted, without effect"
		}
		if k.Env != "" {
			usage += " ($" + k.Env + ")"
		}
		defined := flags.VarPF(f, k.Flag, short[k.Flag], strings.ReplaceAll(usage, "`", "'"))
		if k.Kind == config.Boolean {
			defined.NoOptDefVal = "true"
		}
		all = append(all, f)
	}
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "description" {
			name = "name"
		}
		return pflag.NormalizedName(name)
	})
	return all
}

// complete has the shell offer the values of those that have a choice.
func (all keyFlags) complete(cmd *cobra.Command) {
	for _, f := range all {
		values := f.key.Values
		if f.key.Kind == config.Boolean {
			values = []string{"true", "false"}
		}
		if len(values) > 0 {
			offer(cmd, f.key.Flag, values...)
		}
	}
}

// offer has the shell complete a flag by these values, and not by files.
func offer(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // fails for no flag only
}

// Set takes a value of the command line.
func (f *keyFlag) Set(value string) error {
	switch {
	case f.key.Path == "runners.docker.pull_policy": // alone of all lists
		f.values = append(f.values, strings.Split(value, ",")...)
	case f.key.Kind == config.List || f.key.Kind == config.Table:
		f.values = append(f.values, value)
	default:
		f.values = []string{value}
	}
	return new(config.Draft).Set(f.key, f.values...)
}

// String is what the help shows as the default.
func (f *keyFlag) String() string { return "" }

// Type is what the help shows as the value.
func (f *keyFlag) Type() string {
	switch f.key.Kind {
	case config.Boolean:
		return "bool"
	case config.Integer:
		return "int"
	}
	return "string"
}

// draft is the runner of the flags and of the environment. A flag beats its variable, but elements of lists and tables come
// from both; a variable gives one of them. A variable that is there and empty is true for a boolean, as in gitlab-runner.
func (all keyFlags) draft() (*config.Draft, error) {
	d := &config.Draft{}
	for _, f := range all {
		values, origin := f.values, "--"+f.key.Flag
		value, given := os.LookupEnv(f.key.Env)
		several := f.key.Kind == config.List || f.key.Kind == config.Table
		switch {
		case f.key.Env == "" || !given || several && value == "" || !several && len(values) > 0:
		case f.key.Kind == config.Boolean && value == "":
			values, origin = []string{"true"}, f.key.Env
		default:
			values, origin = slices.Concat([]string{value}, values), f.key.Env
		}
		if len(values) == 0 {
			continue
		}
		if err := d.Set(f.key, values...); err != nil {
			return nil, fmt.Errorf("%s: %w", origin, err)
		}
	}
	return d, nil
}
