package status

import (
	"fmt"
	"html"
	"strings"
	"time"
)

// page is the report for a browser. It is written by hand since a template in the program would keep the linker from
// leaving out what nobody calls, a third of the binary.
func page(r Report, now time.Time) string {
	p := &paper{}
	p.raw(`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">`)
	p.raw(`<meta http-equiv="refresh" content="10"><title>lced-runner</title><style>` + style + `</style></head><body><main>`)
	ago := func(t time.Time) string { return now.Sub(t).Round(time.Second).String() }
	state, word := "good", "takes jobs"
	if !r.Ready || len(r.Jobs) >= r.Concurrent {
		state, word = "bad", "takes no job now"
	}
	p.raw(`<h1>lced-runner</h1><p><strong class="` + state + `">` + word + `</strong> `)
	p.text("version %s (%s), system id %s, %s for %s", r.Version, r.Revision, r.SystemID, r.Process, ago(r.Begun))
	p.raw("</p>")
	if r.Refusal != "" {
		p.raw(`<p class="note">`)
		p.text("A change of %s is not in use: %s", r.ConfigFile, r.Refusal)
		p.raw("</p>")
	}
	for _, why := range r.WhyNoJob {
		p.raw(`<p class="note">`)
		p.text("%s", why)
		p.raw("</p>")
	}
	p.table(fmt.Sprintf("Jobs: %d of %d", len(r.Jobs), r.Concurrent), "No job runs.", []string{"Job", "Project", "Name", "Runner", "At", "For", "Runs for"})
	for _, j := range r.Jobs {
		p.row(link(j.URL, fmt.Sprint(j.ID)), esc(j.Project), esc(j.Name), esc(j.Runner), esc(j.Stage), ago(j.Since), ago(j.Begun))
	}
	p.end()
	p.table("Runners", "The configuration has no usable runner.", []string{"Runner", "Token", "GitLab", "Engine", "Jobs", "Now"})
	for _, one := range r.Runners {
		engine := esc(one.Engine)
		if !one.EngineUp {
			engine += " <strong class=\"bad\">does not answer</strong>"
		}
		p.row(esc(one.Name), esc(one.ShortToken), link(one.URL, one.URL), engine, fmt.Sprint(one.Running), esc(one.Doing))
	}
	p.end()
	none := "Nothing."
	if r.KeptError != "" {
		none = "Unknown: " + r.KeptError
	}
	p.table("On the engine", none, []string{"What", "Name", "State", "Job"})
	for _, k := range r.Kept {
		p.row(esc(k.Kind), esc(k.Name), esc(k.State), esc(k.Job))
	}
	p.end()
	p.raw("<h2>Disk</h2><p>")
	p.text("%d jobs whose ending GitLab does not know yet, %.1f MiB of job logs, %d MiB free", r.Disk.Journal, float64(r.Disk.SpoolBytes)/(1<<20), r.Disk.FreeBytes>>20)
	p.raw(`</p><p class="foot"><a href="/metrics">metrics</a> <a href="/status.json">status.json</a> `)
	p.text("configuration %s, read %s ago", r.ConfigFile, ago(r.Loaded))
	p.raw("</p></main></body></html>\n")
	return p.String()
}

const style = `body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#1f2328;background:#f6f8fa}main{max-width:72rem;margin:0 auto;padding:1rem}` +
	`h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.1rem;margin:1.5rem 0 .5rem}table{border-collapse:collapse;width:100%;background:#fff}` +
	`div{overflow-x:auto}th,td{text-align:left;padding:.35rem .6rem;border:1px solid #d0d7de;vertical-align:top}th{background:#eaeef2;font-weight:600}` +
	`td{overflow-wrap:anywhere}.good{color:#1a7f37}.bad{color:#b42318}.note{background:#fff4e5;border-left:4px solid #d97706;padding:.4rem .8rem;margin:.4rem 0}` +
	`.foot{color:#57606a;margin-top:2rem}a{color:#0550ae}@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}table{background:#161b22}` +
	`th{background:#21262d}th,td{border-color:#30363d}a{color:#79c0ff}.good{color:#3fb950}.bad{color:#ff7b72}.note{background:#2d2208}.foot{color:#8b949e}}`

// paper is HTML under the pen.
type paper struct {
	strings.Builder
	none string // what stands in place of an empty table; empty once it has a row
	head []string
}

func (p *paper) raw(s string) { p.WriteString(s) }

func (p *paper) text(format string, args ...any) { p.WriteString(esc(fmt.Sprintf(format, args...))) }

func (p *paper) table(title, none string, head []string) {
	p.raw("<h2>" + esc(title) + "</h2>")
	p.none, p.head = none, head
}

// row takes cells that are HTML already.
func (p *paper) row(cells ...string) {
	if p.none != "" {
		p.raw("<div><table><tr>")
		for _, name := range p.head {
			p.raw("<th>" + esc(name) + "</th>")
		}
		p.raw("</tr>")
		p.none = ""
	}
	p.raw("<tr><td>" + strings.Join(cells, "</td><td>") + "</td></tr>")
}

func (p *paper) end() {
	if p.none != "" {
		p.raw("<p>" + esc(p.none) + "</p>")
		return
	}
	p.raw("</table></div>")
}

func esc(s string) string { return html.EscapeString(s) }

// link is a link to a page of GitLab; other schemes are shown, not linked.
func link(url, text string) string {
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return esc(text)
	}
	return `<a href="` + esc(url) + `">` + esc(text) + "</a>"
}
