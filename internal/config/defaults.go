package config

import "time"

// Default is the configuration of an empty file: every default is in this file and nowhere else. Where no other reason
// stands, it is gitlab-runner's.
func Default() *Config {
	return &Config{
		Concurrent:       1,
		CheckInterval:    3 * time.Second,
		LogLevel:         "info",
		LogFormat:        "runner",
		ConnectionMaxAge: 15 * time.Minute,
		ShutdownTimeout:  30 * time.Second,
		SessionServer:    SessionServer{Timeout: 30 * time.Minute},
		LCED: LCED{
			MinFreeDisk:       512 << 20, // a small image unpacked
			MinFreeMemory:     128 << 20, // dockerd and containerd of a sidecar, and a shell
			DiskHighWatermark: 85,        // kubelet's marks are 85 and 80; flash wants more air, and cleaning seldom
			DiskLowWatermark:  75,
			Shutdown:          "handover",
			HandoverTimeout:   10 * time.Minute, // enough for an upgrade of a slow board
			HelperIdle:        10 * time.Minute, // from one push to the next while somebody works on a project
		},
	}
}

// DefaultRunner is the runner of an empty [[runners]] table. Where no other reason stands, a default is gitlab-runner's.
func DefaultRunner() Runner {
	return Runner{
		OutputLimit:           4096 * 1024,
		RequestConcurrency:    1,
		UnhealthyLimit:        3,
		UnhealthyInterval:     60 * time.Minute,
		FinalUpdateRetries:    10,
		BuildsDir:             "/builds",
		CacheDir:              "/cache",
		SafeDirectoryCheckout: true,
		CustomBuildDir:        CustomBuildDir{Enabled: true},
		Cache:                 CacheStore{S3: CacheS3{DualStack: true}},
		Docker: Docker{
			PullPolicy:             []string{"always"},
			ServicesLimit:          -1,
			WaitForServicesTimeout: 30 * time.Second,
		},
		Dind: Dind{
			Mode:        "auto",
			WaitTimeout: 2 * time.Minute, // far above the seconds that dockerd needs, as a large storage on slow flash may take long to open
			Storage:     "ephemeral",
			// A third of a small board's flash, and room for some projects' images.
			StorageSizeCap: 10 << 30,
			// An idle daemon takes some 80 MiB; the job that it waits for needs the rest.
			WarmFreeMemory: 512 << 20,
		},
	}
}

// fillZeros gives the default to keys whose zero, which `register` writes, means just that.
func (c *Config) fillZeros() {
	d := Default()
	orDefault(&c.CheckInterval, d.CheckInterval)
	orDefault(&c.ConnectionMaxAge, d.ConnectionMaxAge)
	orDefault(&c.ShutdownTimeout, d.ShutdownTimeout)
	orDefault(&c.LCED.DiskHighWatermark, d.LCED.DiskHighWatermark)
	orDefault(&c.LCED.DiskLowWatermark, d.LCED.DiskLowWatermark)
	orDefault(&c.LCED.HandoverTimeout, d.LCED.HandoverTimeout)
	if c.LCED.Shutdown == "" {
		c.LCED.Shutdown = d.LCED.Shutdown
	}
	orDefault(&c.SessionServer.Timeout, d.SessionServer.Timeout)
	for i := range c.Runners {
		r, d := &c.Runners[i], DefaultRunner()
		orDefault(&r.OutputLimit, d.OutputLimit)
		orDefault(&r.RequestConcurrency, d.RequestConcurrency)
		orDefault(&r.UnhealthyLimit, d.UnhealthyLimit)
		orDefault(&r.UnhealthyInterval, d.UnhealthyInterval)
		orDefault(&r.FinalUpdateRetries, d.FinalUpdateRetries)
		orDefault(&r.Dind.WaitTimeout, d.Dind.WaitTimeout)
		if r.Docker.WaitForServicesTimeout == 0 { // negative has a meaning of its own
			r.Docker.WaitForServicesTimeout = d.Docker.WaitForServicesTimeout
		}
		for _, s := range []struct{ value, def *string }{
			{&r.BuildsDir, &d.BuildsDir}, {&r.CacheDir, &d.CacheDir}, {&r.Dind.Image, &d.Dind.Image},
		} {
			if *s.value == "" {
				*s.value = *s.def
			}
		}
		if len(r.Docker.PullPolicy) == 0 {
			r.Docker.PullPolicy = d.Docker.PullPolicy
		}
	}
}

func orDefault[T int | int64 | time.Duration](value *T, def T) {
	if *value <= 0 {
		*value = def
	}
}
