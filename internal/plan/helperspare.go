package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"lced-runner/executor"
	"lced-runner/internal/helper"
)

// shareHelper says of what kind the helper is where the next job of the same place can have it. Then nothing of this job is in it:
// no label, no volume that ends with the job, and nothing that a job could leave in its file system, which is read-only. A job
// with hooks gets one of its own, since their scripts may do what they like.
func shareHelper(c *compiler, p *executor.Plan, stages map[string]helper.Request, cs *caches) error {
	h := p.Helper
	sources, o := stages[helper.StageGetSources].Sources, h.Options
	switch {
	case c.strategy != string(helper.StrategyFetch), len(sources.PreHooks)+len(sources.PostHooks) > 0, len(cs.items) > 0 && cs.ephemeral() != "",
		slices.ContainsFunc(p.Volumes, func(v executor.Volume) bool { return v.Temporary && mounts(h.Binds, v.Name) }),
		strings.HasPrefix(h.Mode, "container:"), len(o.CapAdd)+len(o.Links)+len(o.VolumesFrom)+len(o.Tmpfs) > 0:
		return nil
	}
	h.ReadOnly = true
	if !slices.ContainsFunc(h.Binds, func(bind string) bool { return targetOf(bind) == "/tmp" }) {
		h.Options.Tmpfs = map[string]string{"/tmp": ""}
	}
	form := *h
	form.Name = ""
	text, err := json.Marshal([]any{form, p.OwnImage})
	if err != nil {
		return fmt.Errorf("write down the helper: %w", err)
	}
	h.Form = digest(text)
	labels := spareLabels(p.Labels)
	maps.Copy(labels, h.Labels)
	h.Labels = labelSpare(c, labels, p.Name, h.Form)
	return nil
}

// labelSpare adds the labels by which a container is known as a spare.
func labelSpare(c *compiler, labels map[string]string, name, form string) map[string]string {
	labels[executor.LabelSpare], labels[executor.LabelSpareRunner] = name, c.names.short
	labels[executor.LabelSparePlace], labels[executor.LabelSpareForm] = Place(c.Input), form
	return labels
}

// mounts reports whether a volume is among binds.
func mounts(binds []string, volume string) bool {
	return slices.ContainsFunc(binds, func(bind string) bool { return strings.HasPrefix(bind, volume+":") })
}

// targetOf is where a bind is mounted.
func targetOf(bind string) string {
	parts := strings.Split(bind, ":")
	return parts[min(1, len(parts)-1)]
}
