package e2e

import (
	"bytes"
	littleendian "encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/client"

	"lced-runner/internal/config"
	"lced-runner/internal/journal"
)

// powerCut ends the runner and all containers of its jobs at once, drops what was not synced, and boots.
func (c *chaos) powerCut() *chaosJob {
	c.t.Helper()
	time.Sleep(time.Duration(c.dice.Int64N(int64(6 * time.Second)))) // GitLab gets the first part of a log after 3 s
	c.stop(syscall.SIGKILL)
	id, _ := config.SystemID(c.dir)
	list, err := c.docker.ContainerList(cleanupContext(), client.ContainerListOptions{Filters: client.Filters{}.Add("label", "lced.runner="+id)})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, container := range list.Items {
		_, _ = c.docker.ContainerKill(cleanupContext(), container.ID, client.ContainerKillOptions{}) // it may end by itself
	}
	for _, j := range c.jobs {
		c.cutPowerOf(j)
	}
	c.boot(time.Now().String())
	c.supervise()
	return nil
}

// cutPowerOf drops what of a job's log and record was not synced, from a random place on, and remembers what is left of the
// log. What GitLab has must have been on the disk before.
func (c *chaos) cutPowerOf(j *chaosJob) {
	c.t.Helper()
	record := filepath.Join(c.state, ".lced-runner", "journal", journal.Name(c.url, j.id)+".json")
	if text, synced, ok := c.onDisk(record); ok && synced < len(text) {
		c.dropTail(record, text, synced)
	}
	spool := filepath.Join(c.state, ".lced-runner", journal.Name(c.url, j.id)+".log")
	text, synced, ok := c.onDisk(spool)
	if !ok {
		return
	}
	if has, sure := c.gitlab.Trace(j.id), spooled(text[:synced]); !bytes.HasPrefix(sure, has) {
		c.wrong("job %d: GitLab has %d bytes of its log, and of those that were synced, %d, they are not the beginning", j.id, len(has), len(sure))
	}
	j.forgot = true
	c.endings["(logs cut by a power cut)"]++
	if len(c.gitlab.Trace(j.id)) > 0 {
		c.endings["(logs cut by a power cut of which GitLab had a part)"]++
	}
	j.kept = string(spooled(text[:c.dropTail(spool, text, synced)]))
}

// onDisk is a file, and how much of it a power cut leaves for certain.
func (c *chaos) onDisk(path string) (text []byte, synced int, ok bool) {
	c.t.Helper()
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, 0, false
	}
	info, serr := os.Stat(path)
	if err != nil || serr != nil {
		c.t.Fatal(err, serr)
	}
	note, err := os.ReadFile(filepath.Join(c.synced, fmt.Sprintf("%020d", info.Sys().(*syscall.Stat_t).Ino)))
	if os.IsNotExist(err) {
		return text, 0, true
	}
	n, nerr := strconv.Atoi(strings.TrimLeft(string(note), "0"))
	if err != nil || nerr != nil {
		c.t.Fatal(err, nerr)
	}
	return text, min(n, len(text)), true
}

// dropTail makes an end of a file, at random but behind what was synced, what a power cut makes of it: nothing, or zeros. It
// returns how much of the file is as it was.
func (c *chaos) dropTail(path string, text []byte, synced int) (left int) {
	c.t.Helper()
	left = synced + c.dice.IntN(len(text)-synced+1)
	err := os.Truncate(path, int64(left))
	if err == nil && c.dice.IntN(2) == 0 {
		err = os.Truncate(path, int64(len(text)))
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return left
}

// spooled are the bytes of the log in a spool file, as far as its records are whole. A record begins with a header of 17
// bytes, of which the first four are the length of the bytes that follow.
func spooled(file []byte) (log []byte) {
	const header = 17
	for len(file) >= header {
		length := int(littleendian.LittleEndian.Uint32(file))
		if len(file) < header+length {
			break
		}
		log = append(log, file[header:header+length]...)
		file = file[header+length:]
	}
	return log
}

// boot gives the machine another boot id, as the runner sees it.
func (w *world) boot(name string) {
	w.t.Helper()
	path := filepath.Join(w.dir, "boot_id")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(name, " ", "-")+"\n"), 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.wrapper = []string{"unshare", "-m", "sh", "-c", `mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"`, path}
}
