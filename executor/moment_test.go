package executor

import (
	"encoding/json"
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	t.Parallel()
	begun := Now()
	text, err := json.Marshal(begun)
	if err != nil {
		t.Fatal(err)
	}
	var read Moment
	if err := json.Unmarshal(text, &read); err != nil || read != begun {
		t.Fatalf("%d is read back as %d, %v", begun, read, err)
	}
	time.Sleep(time.Millisecond)
	if ago := read.Ago(); ago < time.Millisecond || ago > time.Hour {
		t.Errorf("a millisecond ago is %v ago", ago)
	}
	for _, none := range []Moment{0, Now() + Moment(time.Hour)} {
		if ago := none.Ago(); ago != 0 {
			t.Errorf("%d is %v ago", none, ago)
		}
	}
}
