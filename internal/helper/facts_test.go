package helper

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

const routeHead = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

func TestFacts(t *testing.T) {
	t.Parallel()
	devices := map[string]int{"eth0": 1500, "wlan0": 1492, "wg0": 1420}
	mtu := func(device string) (int, error) {
		n, ok := devices[device]
		if !ok {
			return 0, errors.New("no such device")
		}
		return n, nil
	}
	route := func(device, destination, metric, mask string) string {
		return device + "\t" + destination + "\t0102A8C0\t0003\t0\t0\t" + metric + "\t" + mask + "\t0\t0\t0\n"
	}
	for _, test := range []struct{ name, routes, resolv, want string }{
		{"nothing", "", "", `{"mtu":0,"dns":null,"search":null}`},
		{
			"a board", routeHead + route("eth0", "0002A8C0", "100", "00FFFFFF") + route("eth0", "00000000", "100", "00000000"),
			"# made by hand\nnameserver 192.168.2.1\nnameserver fd00::1\nsearch lan example.com\noptions edns0\n",
			`{"mtu":1500,"dns":["192.168.2.1","fd00::1"],"search":["lan","example.com"]}`,
		},
		{
			"two ways out", routeHead + route("eth0", "00000000", "600", "00000000") + route("wlan0", "00000000", "50", "00000000") + route("wg0", "00000000", "700", "00000000"),
			"", `{"mtu":1492,"dns":null,"search":null}`,
		},
		{"half of everything is no default route", routeHead + route("wg0", "00000000", "0", "00000080"), "", `{"mtu":0,"dns":null,"search":null}`},
		{"no default route", routeHead + route("eth0", "0002A8C0", "0", "00FFFFFF"), "", `{"mtu":0,"dns":null,"search":null}`},
		{"the last search line counts", "", "search one\nsearch two\nnameserver\n", `{"mtu":0,"dns":null,"search":["two"]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if err := Facts(strings.NewReader(test.routes), strings.NewReader(test.resolv), mtu, &out); err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(out.String()); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	errDisk := errors.New("input/output error")
	unknown := strings.NewReader(routeHead + route("ppp0", "00000000", "0", "00000000"))
	for name, err := range map[string]error{
		"ppp0":        Facts(unknown, strings.NewReader(""), mtu, &bytes.Buffer{}),
		"resolv.conf": Facts(strings.NewReader(""), iotest.ErrReader(errDisk), mtu, &bytes.Buffer{}),
		"routes":      Facts(iotest.ErrReader(errDisk), strings.NewReader(""), mtu, &bytes.Buffer{}),
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInterfaceMTU(t *testing.T) {
	t.Parallel()
	if n, err := InterfaceMTU("lo"); err != nil || n <= 0 {
		t.Errorf("the loopback: %d, %v", n, err)
	}
	if _, err := InterfaceMTU("no such device"); err == nil {
		t.Error("a device that does not exist has an MTU")
	}
}
