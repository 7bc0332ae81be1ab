package main

import "testing"

func TestGreeting(t *testing.T) {
	if got := greeting("1"); got != "hello from version 1" {
		t.Error(got)
	}
}
