package helper

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"testing"
)

func TestLook(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := Look(t.Context(), nil, &out); err != nil {
		t.Fatal(err)
	}
	var s Sight
	if err := json.Unmarshal(out.Bytes(), &s); err != nil || s.MemoryAvailable == 0 {
		t.Errorf("%v: %s", err, out.Bytes())
	}
	out.Reset()
	if err := Look(t.Context(), []string{"localhost", "no-such-name.invalid"}, &out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &s); err != nil || s.Resolved["localhost"] == "" || s.Unresolved["no-such-name.invalid"] == "" {
		t.Errorf("%v: %s", err, out.Bytes())
	}
}

func TestTableName(t *testing.T) {
	t.Parallel()
	attribute := func(kind uint16, value string) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
		b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
		for len(b)%4 > 0 {
			b = append(b, 0)
		}
		return b
	}
	head := []byte{2, 0, 0, 0}
	for _, test := range []struct {
		data []byte
		want string
	}{
		{append(append(head, attribute(2, "\x00\x00\x00\x01")...), attribute(attributeName, "filter\x00")...), "filter"},
		{head, "?"},
		{nil, "?"},
		{append(head, 0xff, 0xff, 1, 0), "?"},
		{append(head, 0, 0, 1, 0), "?"},
	} {
		if got := tableName(test.data); got != test.want {
			t.Errorf("%q: %q, want %q", test.data, got, test.want)
		}
	}
}
