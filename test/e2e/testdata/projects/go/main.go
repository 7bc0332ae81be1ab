// Greeter says hello.
package main

import "fmt"

var version = "unknown"

func main() { fmt.Println(greeting(version)) }

func greeting(version string) string {
	if version == "" {
		return "hello"
	}
	return "hello from version " + version
}
