package status

import (
	"os"
	gometrics "runtime/metrics"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process adds what Prometheus' own client tells of Go's runtime and the process, and the library here does not, or under other names.
func (s series) process() {
	of := map[string]string{
		"/gc/gogc:percent": "go_gc_gogc_percent", "/gc/gomemlimit:bytes": "go_gc_gomemlimit_bytes", "/sched/gomaxprocs:threads": "go_sched_gomaxprocs_threads",
	}
	for key, name := range of {
		value := []gometrics.Sample{{Name: key}}
		if gometrics.Read(value); value[0].Value.Kind() == gometrics.KindUint64 {
			s.gauge(name, "Go's "+key+".", float64(value[0].Value.Uint64()))
		}
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &limit) == nil {
		s.gauge("process_virtual_memory_max_bytes", "How much virtual memory the process may have.", float64(limit.Max))
	}
	received, sent := octets()
	s.add("counter", "process_network_receive_bytes_total", "What came in by the network of the process.", received)
	s.add("counter", "process_network_transmit_bytes_total", "What went out by the network of the process.", sent)
}

// octets reads how many bytes have come and gone by IP, which the kernel tells as a line of names and one of values.
func octets() (received, sent float64) {
	text, _ := os.ReadFile("/proc/self/net/netstat")
	var names []string
	for line := range strings.Lines(string(text)) {
		values := strings.Fields(line)
		if len(values) == 0 || values[0] != "IpExt:" {
			continue
		}
		for i, name := range names {
			n, _ := strconv.ParseFloat(values[i], 64)
			switch name {
			case "InOctets":
				received = n
			case "OutOctets":
				sent = n
			}
		}
		names = values
	}
	return received, sent
}
