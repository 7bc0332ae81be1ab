package config

import (
	"encoding"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTextValues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		into encoding.TextUnmarshaler
		want encoding.TextUnmarshaler // nil means an error
	}{
		{"128", new(Bytes), new(Bytes(128))},
		{"128b", new(Bytes), new(Bytes(128))},
		{"1k", new(Bytes), new(Bytes(1024))},
		{"512M", new(Bytes), new(Bytes(512 << 20))},
		{"1.5g", new(Bytes), new(Bytes(3 << 29))},
		{"2GiB", new(Bytes), new(Bytes(2 << 30))},
		{"2 GB", new(Bytes), new(Bytes(2 << 30))},
		{"1t", new(Bytes), new(Bytes(1 << 40))},
		{"", new(Bytes), new(Bytes(0))},
		{"-1", new(Bytes), nil},
		{"g", new(Bytes), nil},
		{"1.2.3", new(Bytes), nil},
		{"5x", new(Bytes), nil},
		{"99999999t", new(Bytes), nil},

		{"2", new(NanoCPUs), new(NanoCPUs(2e9))},
		{"0.5", new(NanoCPUs), new(NanoCPUs(5e8))},
		{"1/3", new(NanoCPUs), new(NanoCPUs(333333333))},
		{"-1", new(NanoCPUs), nil},
		{"1/0", new(NanoCPUs), nil},
		{"1e999999999", new(NanoCPUs), nil},
		{"99999999999999", new(NanoCPUs), nil},

		{"0", new(Warm), new(Warm(0))},
		{"3", new(Warm), new(Warm(3))},
		{"auto", new(Warm), new(WarmAuto)},
		{"Auto", new(Warm), new(WarmAuto)},
		{"-1", new(Warm), nil},
		{"many", new(Warm), nil},
		{"", new(Warm), nil},

		{"1024", new(Ulimit), &Ulimit{1024, 1024}},
		{"1024:4096", new(Ulimit), &Ulimit{1024, 4096}},
		{"-1:-1", new(Ulimit), &Ulimit{-1, -1}},
		{"1024:", new(Ulimit), nil},
		{"many", new(Ulimit), nil},

		{"/dev/a", new(Device), &Device{"/dev/a", "/dev/a", "rwm"}},
		{"/dev/a:/dev/b", new(Device), &Device{"/dev/a", "/dev/b", "rwm"}},
		{"/dev/a:/dev/b:r", new(Device), &Device{"/dev/a", "/dev/b", "r"}},
		{"/dev/a:/dev/b:r:w", new(Device), nil},
		{"", new(Device), nil},

		{"A=b=c", new(Variable), &Variable{"A", "b=c"}},
		{"A=", new(Variable), &Variable{"A", ""}},
		{"A", new(Variable), nil},
		{"=b", new(Variable), nil},
	} {
		err := test.into.UnmarshalText([]byte(test.text))
		if (err != nil) != (test.want == nil) {
			t.Errorf("%T from %q: error %v, want value %v", test.into, test.text, err, test.want)
			continue
		}
		if diff := cmp.Diff(test.want, test.into); err == nil && diff != "" {
			t.Errorf("%T from %q (-want +got):\n%s", test.into, test.text, diff)
		}
	}
}

func TestParseVolume(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		spec string
		want Volume // the zero Volume means an error
		bind string // as String prints it; empty means like spec
	}{
		{spec: "/cache", want: Volume{Destination: "/cache"}},
		{spec: "relative/dir", want: Volume{Destination: "relative/dir"}},
		{spec: "$CI_PROJECT_DIR/x", want: Volume{Destination: "$CI_PROJECT_DIR/x"}},
		{spec: "z", want: Volume{Destination: "z"}},
		{spec: "/var/run/docker.sock:/var/run/docker.sock", want: Volume{Source: "/var/run/docker.sock", Destination: "/var/run/docker.sock"}},
		{spec: "named:/data:ro", want: Volume{Source: "named", Destination: "/data", Mode: "ro"}},
		{spec: "/cache:rw", want: Volume{Destination: "/cache", Mode: "rw"}},
		{spec: "/a:/b:O", want: Volume{Source: "/a", Destination: "/b", Mode: "O"}},
		{spec: "/a:/b:RO:z:rslave", want: Volume{Source: "/a", Destination: "/b", Mode: "ro", Label: "z", Propagation: "rslave"}, bind: "/a:/b:ro,z,rslave"},
		{spec: "/a:/b:ro,Z,private", want: Volume{Source: "/a", Destination: "/b", Mode: "ro", Label: "Z", Propagation: "private"}},
		{spec: "/a:/b:rshared", want: Volume{Source: "/a", Destination: "/b", Propagation: "rshared"}},
		{spec: ""},
		{spec: "/"},
		{spec: "/a:/"},
		{spec: "/a:/.."},
		{spec: ":/b"},
		{spec: "/a:"},
		{spec: "/a:/b:nocopy"},
		{spec: "/a:/b:cached"},
		{spec: "/a:/b:/c"},
		{spec: "/a:/b:ro:rw"},
	} {
		got, err := parseVolume(test.spec)
		if (err != nil) != (test.want == Volume{}) {
			t.Errorf("parseVolume(%q): error %v, want %+v", test.spec, err, test.want)
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("parseVolume(%q) (-want +got):\n%s", test.spec, diff)
		}
		bind := test.bind
		if bind == "" {
			bind = test.spec
		}
		if err == nil && got.String() != bind {
			t.Errorf("parseVolume(%q).String() = %q, want %q", test.spec, got, bind)
		}
	}
}

func TestEngine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		docker Docker
		env    map[string]string
		want   Engine
	}{
		{name: "nothing", want: Engine{Host: "unix:///var/run/docker.sock"}},
		{name: "tls_verify without host", docker: Docker{TLSVerify: true}, want: Engine{Host: "unix:///var/run/docker.sock"}},
		{name: "tls_verify with a socket", docker: Docker{Host: "unix:///run/d.sock", TLSVerify: true, TLSCertPath: "/c"}, want: Engine{Host: "unix:///run/d.sock"}},
		{name: "tcp", docker: Docker{Host: "tcp://h:2375", TLSCertPath: "/c"}, want: Engine{Host: "tcp://h:2375", CertPath: "/c"}},
		{
			name: "host beats the environment", docker: Docker{Host: "tcp://h:2376", TLSVerify: true},
			env: map[string]string{"DOCKER_HOST": "tcp://e:1", "DOCKER_CERT_PATH": "/e"}, want: Engine{Host: "tcp://h:2376", TLSVerify: true},
		},
		{
			name: "all three from the environment", docker: Docker{TLSCertPath: "/c"},
			env:  map[string]string{"DOCKER_HOST": "tcp://e:2376", "DOCKER_CERT_PATH": "/e", "DOCKER_TLS_VERIFY": "1"},
			want: Engine{"tcp://e:2376", "/e", true},
		},
		{name: "no verification", env: map[string]string{"DOCKER_HOST": "tcp://e:2375", "DOCKER_TLS_VERIFY": "0"}, want: Engine{Host: "tcp://e:2375"}},
		{name: "any other text", env: map[string]string{"DOCKER_HOST": "tcp://e:2376", "DOCKER_TLS_VERIFY": "yes"}, want: Engine{Host: "tcp://e:2376", TLSVerify: true}},
	} {
		got := test.docker.Engine(func(name string) string { return test.env[name] })
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
