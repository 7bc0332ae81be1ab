package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"lced-runner/dind"
	"lced-runner/executor"
)

// Place names the jobs that may have the spares of one another: those of a project and slot, of protected refs or of others.
// They share their volumes, too.
func Place(in Input) string {
	place := newNames(in).reusable
	if isProtected(in.Job) {
		place += "-protected"
	}
	return place
}

// makeSpare writes the plan by which the job's sidecar is started before the next such job comes: the sidecar with its network
// and certificates, and nothing that belongs to this job alone. It is nil where none is kept, and for a job
// whose sidecar cannot be another's. What it is made of becomes the form of the job's own sidecar.
func makeSpare(c *compiler, p *executor.Plan, s *sidecars) (*executor.Plan, error) {
	if c.Runner.Dind.Warm == 0 {
		return nil, nil
	}
	index := slices.IndexFunc(p.Services, func(svc executor.Service) bool { return svc.Title == sidecarOf(s).Image && svc.Ready.Must })
	if index < 0 || len(s.setup.Sidecars) != 1 || p.Network == nil || len(sidecarOf(s).Entrypoint) > 0 || p.Services[index].Prepare != nil {
		return nil, nil
	}
	spare := &executor.Plan{Name: p.Name, Labels: spareLabels(p.Labels), OwnImage: p.OwnImage, Network: ownNetwork(p), Volumes: p.Volumes}
	for _, v := range p.Volumes {
		if v.Temporary && len(v.Files) == 0 {
			return nil, nil // it ends with this job, and the next one would not find its own there
		}
	}
	svc := p.Services[index]
	svc.Name, svc.HostAliases = executor.SpareName(p.Name), nil
	svc.Env = spareEnv(svc.Env, s.services, sidecarOf(s))
	// The job that has just ended has got it, and the job that will have it looks for itself whether it is still the same.
	svc.Image.Policies, svc.Image.Auth, svc.Image.AuthFrom = []string{"never"}, "", ""
	spare.Services = []executor.Service{svc}
	form, err := formOf(spare)
	if err != nil {
		return nil, err
	}
	p.Services[index].Form, spare.Services[0].Form = form, form
	spare.Services[0].Labels = labelSpare(c, maps.Clone(svc.Labels), p.Name, form)
	return spare, nil
}

// ownNetwork is one that ends with the sidecar that it was made for.
func ownNetwork(p *executor.Plan) *executor.Network {
	own := *p.Network
	own.Form, own.Labels = "", nil
	return &own
}

// sidecarOf is the first sidecar; a zero one where there is none.
func sidecarOf(s *sidecars) dind.Sidecar {
	if !s.any() {
		return dind.Sidecar{}
	}
	return s.setup.Sidecars[0]
}

// spareLabels are the plan's without those of the job.
func spareLabels(labels map[string]string) map[string]string {
	labels = maps.Clone(labels)
	maps.DeleteFunc(labels, func(name, _ string) bool {
		return strings.Contains(name, ".job.") || strings.Contains(name, ".pipeline.") || strings.HasSuffix(name, ".runner.local_id")
	})
	return labels
}

// spareEnv is what of a sidecar's environment matters to the daemon in it: what it reads, and what the service itself sets.
func spareEnv(env []string, services []service, sidecar dind.Sidecar) []string {
	own := map[string]string{}
	if sidecar.Service >= 0 && sidecar.Service < len(services) {
		own = services[sidecar.Service].vars
	}
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		_, set := own[name]
		return !set && !dind.DaemonReads(name)
	})
}

// formOf is the same for two spares that differ in their names only.
func formOf(spare *executor.Plan) (string, error) {
	s := *spare
	s.Labels, s.OwnImage, s.Volumes = nil, "", slices.Clone(spare.Volumes)
	for i := range s.Volumes {
		s.Volumes[i].Files = nil // certificates are as good as any other
	}
	text, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	return digest([]byte(strings.NewReplacer(s.Name, "", s.Network.Name, "").Replace(string(text)))), nil
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
