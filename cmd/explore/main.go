package main

import (
	"fmt"
	"os"
	"strings"

	"mautic-rotation/internal/explore"
)

func main() {
	name, text, _ := strings.Cut(os.Args[1], ": ")
	script, err := explore.ParseScript(text)
	if err != nil {
		panic(err)
	}
	for _, s := range explore.Scenarios() {
		if s.Name == name {
			broken, err := explore.Replay(s, script, os.Stdout)
			fmt.Println(broken, err)
		}
	}
}
