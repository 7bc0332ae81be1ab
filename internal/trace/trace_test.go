package trace

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// epoch is where synctest's clock starts, 2000-01-01 UTC.
const epoch = 946684800

func openTrace(t *testing.T, opts Options) *Trace {
	t.Helper()
	opts.Path = filepath.Join(t.TempDir(), "trace.log")
	tr, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Remove(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

// spooled returns what the spool holds.
func spooled(t *testing.T, tr *Trace) string {
	t.Helper()
	return spoolText(t, tr.spool)
}

func spoolText(t *testing.T, s *spool) string {
	t.Helper()
	got := make([]byte, s.sum.Size)
	if err := s.readAt(got, 0, place{}); err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// closeTrace closes the trace, checks the sum, and returns the log.
func closeTrace(t *testing.T, tr *Trace) string {
	t.Helper()
	sum, err := tr.Close()
	if err != nil {
		t.Fatal(err)
	}
	got := spooled(t, tr)
	if want := (Sum{Size: int64(len(got)), CRC32: crc32.ChecksumIEEE([]byte(got))}); sum != want {
		t.Errorf("sum: got %+v, want %+v", sum, want)
	}
	return got
}

func TestLines(t *testing.T) {
	t.Parallel()
	tr := openTrace(t, Options{Masks: []string{"secret"}})
	tr.Plain("plain %d", 1)
	tr.Info("info %s", "secret")
	tr.Warn("warn")
	tr.Error("error")
	want := "\x1b[0Kplain 1\x1b[0;m\n" +
		"\x1b[0K\x1b[32;1minfo [MASKED]\x1b[0;m\n" +
		"\x1b[0K\x1b[0;33mWARNING: warn\x1b[0;m\n" +
		"\x1b[0K\x1b[31;1mERROR: error\x1b[0;m\n"
	if diff := cmp.Diff(want, closeTrace(t, tr)); diff != "" {
		t.Error(diff)
	}
}

func TestSectionsComeOutInOrderWithTrueTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := openTrace(t, Options{Sections: true})
		first := tr.Section("prepare_executor", "Preparing")
		time.Sleep(time.Second)
		second := tr.Section("get_sources", "Getting")
		tr.Info("between")
		third := tr.Section("step_script", "Executing")
		fmt.Fprint(third, "3")
		fmt.Fprint(second, "2")
		fmt.Fprint(first, "1")
		if got := spooled(t, tr); !strings.HasSuffix(got, "Preparing\x1b[0;m\n1") {
			t.Errorf("the oldest section does not go straight through: %q", got)
		}
		time.Sleep(time.Second)
		second.Close()
		time.Sleep(time.Second)
		first.Close()
		time.Sleep(time.Second)
		fmt.Fprint(third, "4")
		if got := spooled(t, tr); !strings.HasSuffix(got, "Executing\x1b[0;m\n34") {
			t.Errorf("a section does not go straight through when its turn has come: %q", got)
		}
		tr.Error("end")
		want := fmt.Sprintf("section_start:%d:prepare_executor\r\x1b[0K\x1b[0K\x1b[36;1mPreparing\x1b[0;m\n1section_end:%d:prepare_executor\r\x1b[0K", epoch, epoch+3) +
			fmt.Sprintf("section_start:%d:get_sources\r\x1b[0K\x1b[0K\x1b[36;1mGetting\x1b[0;m\n2section_end:%d:get_sources\r\x1b[0K", epoch+1, epoch+2) +
			"\x1b[0K\x1b[32;1mbetween\x1b[0;m\n" +
			fmt.Sprintf("section_start:%d:step_script\r\x1b[0K\x1b[0K\x1b[36;1mExecuting\x1b[0;m\n34section_end:%d:step_script\r\x1b[0K", epoch+1, epoch+4) +
			"\x1b[0K\x1b[31;1mERROR: end\x1b[0;m\n"
		if diff := cmp.Diff(want, closeTrace(t, tr)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRunnerLinesStartOnNewLines(t *testing.T) {
	t.Parallel()
	tr := openTrace(t, Options{Masks: []string{"secret"}})
	first := tr.Section("a", "A")
	second := tr.Section("b", "B")
	for _, s := range []*Section{second, first} {
		fmt.Fprint(s, "text se")
		s.Plain("v")
		s.Plain("w")
		fmt.Fprint(s, "cret\nmore")
	}
	first.Close()
	second.Close()
	tr.Info("end")
	want := ""
	for _, title := range []string{"A", "B"} {
		want += "\x1b[0K\x1b[36;1m" + title + "\x1b[0;m\ntext \n" + // the half secret waits for its other half
			"\x1b[0Kv\x1b[0;m\n\x1b[0Kw\x1b[0;m\n[MASKED]\nmore"
		want += "\n"
	}
	want += "\x1b[0K\x1b[32;1mend\x1b[0;m\n"
	if diff := cmp.Diff(want, closeTrace(t, tr)); diff != "" {
		t.Error(diff)
	}
}

func TestStreamsOfASectionDoNotMix(t *testing.T) {
	t.Parallel()
	tr := openTrace(t, Options{Masks: []string{"secret"}})
	s := tr.Section("a", "A")
	stderr := s.Stream(2)
	io.WriteString(s, "se")
	io.WriteString(stderr, "sec")
	io.WriteString(s, "cret ")
	io.WriteString(s, "sec")
	io.WriteString(stderr, "ret ")
	want := titleLine("A") + "[MASKED] [MASKED] sec"
	if diff := cmp.Diff(want, closeTrace(t, tr)); diff != "" {
		t.Error(diff)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := openTrace(t, Options{Sections: true, Masks: []string{"secret"}})
		a, b := tr.Section("a", "A"), tr.Section("b", "B")
		fmt.Fprint(b, "b sec")
		fmt.Fprint(a, "a secre")
		want := fmt.Sprintf("section_start:%[1]d:a\r\x1b[0K\x1b[0K\x1b[36;1mA\x1b[0;m\na secresection_end:%[1]d:a\r\x1b[0K"+
			"section_start:%[1]d:b\r\x1b[0K\x1b[0K\x1b[36;1mB\x1b[0;m\nb secsection_end:%[1]d:b\r\x1b[0K", epoch)
		if diff := cmp.Diff(want, closeTrace(t, tr)); diff != "" {
			t.Error(diff)
		}
		tr.Info("late")
		a.Plain("late")
		late := tr.Section("late", "late")
		for _, s := range []*Section{a, late} {
			if _, err := fmt.Fprint(s, "late"); err == nil {
				t.Error("write to a closed section succeeded")
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff(want, closeTrace(t, tr)); diff != "" {
			t.Errorf("after the second Close: %s", diff)
		}
	})
}

func TestWaitingSectionsNeedNoMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 1000
	tr := openTrace(t, Options{Limit: limit})
	var sections []*Section
	for i := range 4 {
		sections = append(sections, tr.Section("s", fmt.Sprint(i)))
	}
	for _, i := range []int{3, 1, 2, 3, 1, 0} {
		for range 30 {
			fmt.Fprintf(sections[i], "%d", i)
			sections[i].Write(bytes.Repeat([]byte{'a' + byte(i)}, 8))
		}
		waiting := 0
		for _, s := range sections {
			waiting += len(s.segment.waiting)
		}
		if got := int64(waiting) + tr.queue.out.size; got > limit {
			t.Errorf("%d bytes kept, the limit is %d", got, limit)
		}
	}
	var whole string
	for i, runs := range []int{1, 2, 1, 2} {
		text := strings.Repeat(fmt.Sprint(i)+strings.Repeat(string(rune('a'+i)), 8), 30*runs)
		if i > 0 {
			whole += "\n"
		}
		whole += "\x1b[0K\x1b[36;1m" + fmt.Sprint(i) + "\x1b[0;m\n" + text
	}
	want := whole[:limit] + string(limitNotice(limit))
	if diff := cmp.Diff(want, closeTrace(t, tr)); diff != "" {
		t.Error(diff)
	}
}

func TestCloseKeepsAnUnfinishedCharacter(t *testing.T) {
	t.Parallel()
	title := titleLine("A")
	tr := openTrace(t, Options{Limit: int64(len(title)) + 4})
	fmt.Fprint(tr.Section("a", "A"), "ab\xe2")
	if diff := cmp.Diff(title+"ab\xe2", closeTrace(t, tr)); diff != "" {
		t.Error(diff)
	}
}

func TestLiveGetsWhatTheSpoolGets(t *testing.T) {
	t.Parallel()
	var live bytes.Buffer
	tr := openTrace(t, Options{Limit: 100, Live: &live, Masks: []string{"secret"}})
	s := tr.Section("a", "A")
	for range 30 {
		fmt.Fprint(s, "a secret ")
	}
	if diff := cmp.Diff(closeTrace(t, tr), live.String()); diff != "" {
		t.Error(diff)
	}
}

func TestSpoolIsPrivateAndStartsEmpty(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	tr, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() != 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("got %d bytes, mode %o", info.Size(), info.Mode().Perm())
	}
	if err := tr.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "no", "log")
	if _, err := Open(Options{Path: path}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

// A spool that cannot be written (a closed file stands for a full disk) does not stop the job.
func TestWriteErrorIsKeptForClose(t *testing.T) {
	t.Parallel()
	tr := openTrace(t, Options{})
	tr.Info("saved")
	saved := spooled(t, tr)
	good := tr.spool.file
	broken, err := os.Open(good.Name())
	if err != nil {
		t.Fatal(err)
	}
	tr.spool.file = broken // read-only
	s := tr.Section("a", "A")
	if n, err := s.Write([]byte("lost")); n != 4 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	sum, err := tr.Close()
	if want := (Sum{Size: int64(len(saved)), CRC32: crc32.ChecksumIEEE([]byte(saved))}); sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	if err == nil || !strings.Contains(err.Error(), "save job log") {
		t.Errorf("got error %v", err)
	}
	if err := good.Close(); err != nil {
		t.Error(err)
	}
}

func TestConcurrentSections(t *testing.T) {
	t.Parallel()
	const sections, writes = 8, 200
	tr := openTrace(t, Options{Masks: []string{"secret"}})
	var all []*Section
	for i := range sections {
		all = append(all, tr.Section("s", fmt.Sprint("title ", i)))
	}
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			defer s.Close()
			for n := range writes {
				fmt.Fprintf(s, "%d:%d sec", i, n)
				fmt.Fprint(s, "ret\n")
			}
		})
	}
	wg.Go(func() {
		for n := range writes {
			tr.AddMasks(fmt.Sprint("mask ", n))
			tr.Info("line %d", n)
			(&upload{trace: tr}).sum()
		}
	})
	wg.Wait()
	var want strings.Builder
	for i := range sections {
		want.WriteString(titleLine(fmt.Sprint("title ", i)))
		for n := range writes {
			fmt.Fprintf(&want, "%d:%d [MASKED]\n", i, n)
		}
	}
	for n := range writes {
		want.WriteString(infoLine(fmt.Sprint("line ", n)))
	}
	if diff := cmp.Diff(want.String(), closeTrace(t, tr)); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkTrace is the whole way of a byte, in chunks as an engine sends them and line by line.
func BenchmarkTrace(b *testing.B) {
	line := "drwxr-xr-x 2 root root 4096 Nov 23 14:21 go/pkg/mod/github.com/example/module@v1.2.3/file_test.go: ok\n"
	var masks []string
	for i := range 30 {
		masks = append(masks, strings.Repeat(string(rune('a'+i%26)), 3)+"-secret-value-"+string(rune('a'+i%26)))
	}
	for _, bb := range []struct {
		name       string
		timestamps bool
		chunk      string
	}{
		{"chunks", false, strings.Repeat(line, 32<<10/len(line))},
		{"chunks with timestamps", true, strings.Repeat(line, 32<<10/len(line))},
		{"lines", false, line},
	} {
		b.Run(bb.name, func(b *testing.B) {
			tr, err := Open(Options{Path: filepath.Join(b.TempDir(), "log"), Limit: 1 << 40, Masks: masks, Timestamps: bb.timestamps})
			if err != nil {
				b.Fatal(err)
			}
			w := tr.Section("s", "S").Stream(1)
			chunk := []byte(bb.chunk)
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			for b.Loop() {
				w.Write(chunk)
			}
			if err := tr.Remove(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// TestLongLinesAndBinary sends a line of 10 MB and bytes of every kind through every step.
func TestLongLinesAndBinary(t *testing.T) {
	t.Parallel()
	random := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(random)
	text := strings.Repeat("0123456789", 1<<20) + string(random) + "\r\n\x00\x1b"
	tr := openTrace(t, Options{Limit: 1 << 30, Masks: []string{"a value that is not there"}})
	s := tr.Section("s", "S")
	out := s.Stream(1)
	for rest := text; rest != ""; {
		n := min(32<<10, len(rest))
		io.WriteString(out, rest[:n])
		rest = rest[n:]
	}
	s.Close()
	if got := closeTrace(t, tr); got != titleLine("S")+text {
		t.Errorf("%d bytes come out, which are not the %d that went in", len(got), len(text))
	}
}

// FuzzStream sends a text through all steps of a stream. However it is split into writes, the same comes out, and of a value
// that a script hides nothing comes out after it has said so.
func FuzzStream(f *testing.F) {
	f.Add("\x1b[32;1m$ echo hello\x1b[0;m\nhello glpat-abc secret-value\n", []byte{3, 200})
	f.Add("::add-mask::learnt\nit is learnt\n", []byte{0})
	f.Add("GET /x?private_token=a&b=c\r\n::add-mas", []byte{7, 1})
	f.Add("section_start:1:a\r\x1b[0K\xff\xfe secret-valuesecret-value", []byte{11})
	path := filepath.Join(f.TempDir(), "log") // one for all, as a directory for each run takes longer than the run
	f.Fuzz(func(t *testing.T, text string, sizes []byte) {
		through := func(sizes []byte) string {
			var log bytes.Buffer
			tr, err := Open(Options{Path: path, Limit: 1 << 20, Masks: []string{"secret-value"}, Live: &log})
			if err != nil {
				t.Fatal(err)
			}
			w := tr.Section("s", "S").Stream(1)
			for i, rest := 0, text; len(rest) > 0; i++ {
				n := len(rest)
				if len(sizes) > 0 {
					n = min(n, int(sizes[i%len(sizes)])+1)
				}
				if _, err := w.Write([]byte(rest[:n])); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if _, err := tr.Close(); err != nil {
				t.Fatal(err)
			}
			if err := tr.Remove(); err != nil {
				t.Fatal(err)
			}
			_, body, _ := strings.Cut(log.String(), "\n") // behind the title
			return body
		}
		whole := through(nil)
		if got := through(sizes); got != whole && !strings.Contains(text, maskCommand) {
			t.Errorf("in chunks %q, whole %q", got, whole)
		}
		if strings.Contains(whole, "secret-value") {
			t.Errorf("%q shows a masked value", whole)
		}
		before, line, hides := strings.Cut("\n"+text, "\n"+maskCommand)
		value, after, _ := strings.Cut(line, "\n")
		if value = strings.TrimSpace(value); hides && len(value) > 6 && !strings.Contains(masked, value) && !strings.Contains(before+after, maskCommand) && strings.Contains(whole, value) {
			t.Errorf("%q shows %q, which the script hides", whole, value)
		}
	})
}
