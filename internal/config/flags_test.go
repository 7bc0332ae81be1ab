package config

import "testing"

// TestRegistration holds the names to those of `gitlab-runner register --help`, which scripts use.
func TestRegistration(t *testing.T) {
	t.Parallel()
	want := map[string][2]string{
		"runners.name":                         {"name", "RUNNER_NAME"},
		"runners.url":                          {"url", "CI_SERVER_URL"},
		"runners.token":                        {"token", "CI_SERVER_TOKEN"},
		"runners.id":                           {"", ""},
		"runners.tls-ca-file":                  {"tls-ca-file", "CI_SERVER_TLS_CA_FILE"},
		"runners.environment":                  {"env", "RUNNER_ENV"},
		"runners.builds_dir":                   {"builds-dir", "RUNNER_BUILDS_DIR"},
		"runners.clone_url":                    {"clone-url", "CLONE_URL"},
		"runners.unhealthy_interval":           {"unhealthy-interval", ""},
		"runners.feature_flags":                {"feature-flags", "FEATURE_FLAGS"},
		"runners.custom_build_dir.enabled":     {"custom_build_dir-enabled", "CUSTOM_BUILD_DIR_ENABLED"},
		"runners.cache.MaxUploadedArchiveSize": {"cache-max_uploaded_archive_size", "CACHE_MAXIMUM_UPLOADED_ARCHIVE_SIZE"},
		"runners.cache.s3.ServerAddress":       {"cache-s3-server-address", "CACHE_S3_SERVER_ADDRESS"},
		"runners.cache.s3.AuthenticationType":  {"cache-s3-authentication_type", "CACHE_S3_AUTHENTICATION_TYPE"},
		"runners.cache.gcs.CredentialsFile":    {"cache-gcs-credentials-file", "GOOGLE_APPLICATION_CREDENTIALS"},
		"runners.docker.image":                 {"docker-image", "DOCKER_IMAGE"},
		"runners.docker.tls_cert_path":         {"docker-cert-path", "DOCKER_CERT_PATH"},
		"runners.docker.tls_verify":            {"docker-tlsverify", "DOCKER_TLS_VERIFY"},
		"runners.docker.cpuset_cpus":           {"docker-cpuset-cpus", "DOCKER_CPUSET_CPUS"},
		"runners.docker.services_privileged":   {"docker-services_privileged", "DOCKER_SERVICES_PRIVILEGED"},
		"runners.docker.services_security_opt": {"docker-services-security-opt", "DOCKER_SERVICES_SECURITY_OPT"},
		"runners.docker.services_devices":      {"docker-services_devices", "DOCKER_SERVICES_DEVICES"},
		"runners.docker.userns_mode":           {"docker-userns", "DOCKER_USERNS_MODE"},
		"runners.docker.ipcmode":               {"docker-ipcmode", "DOCKER_IPC_MODE"},
		"runners.docker.network_mtu":           {"docker-network-mtu", ""},
		"runners.docker.services":              {"", ""},
		"runners.docker.services.name":         {"", ""},
		"runners.dind.privileged":              {"dind-privileged", "LCED_DIND_PRIVILEGED"},
		"runners.kubernetes":                   {"", ""},
		"concurrent":                           {"", ""},
	}
	flags := map[string]string{}
	for _, k := range Keys() {
		if names, known := want[k.Path]; known && names != [2]string{k.Flag, k.Env} {
			t.Errorf("%s is --%s and $%s, want --%s and $%s", k.Path, k.Flag, k.Env, names[0], names[1])
		}
		delete(want, k.Path)
		if other, twice := flags[k.Flag]; twice && k.Flag != "" {
			t.Errorf("--%s stands for %s and for %s", k.Flag, other, k.Path)
		}
		flags[k.Flag] = k.Path
		if k.Flag != "" && (k.Kind == "" || k.Kind == List && k.Of != Text) {
			t.Errorf("--%s: a flag cannot give %s of %s", k.Flag, k.Kind, k.Of)
		}
	}
	for path := range want {
		t.Errorf("%s is no key", path)
	}
}
