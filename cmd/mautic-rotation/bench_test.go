package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"mautic-rotation/internal/rig"
)

// BenchmarkProgram measures the built program, from the start of its process to the end.
func BenchmarkProgram(b *testing.B) {
	file, err := program()
	if err != nil {
		b.Fatal(err)
	}
	run := func(b *testing.B, args ...string) {
		for b.Loop() {
			if out, err := exec.Command(file, args...).CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		}
	}
	b.Run("version", func(b *testing.B) { run(b, "--version") }) // which is no more than its start
	b.Run("status of 5 secrets", func(b *testing.B) {
		d := deploy(b, rig.Options{})
		arns := []string{d.SecretARN}
		for n := range 4 {
			value := strings.ReplaceAll(d.Document(), d.User, fmt.Sprintf("%s_%d", d.User, n))
			arn, err := d.CreateSecret(b.Context(), fmt.Sprintf("another-%d", n), value)
			if err != nil {
				b.Fatal(err)
			}
			arns = append(arns, arn)
		}
		if err := d.Reconfigure(map[string]string{"SECRET_ARNS": strings.Join(arns, ",")}); err != nil {
			b.Fatal(err)
		}
		out, err := exec.Command(file, "status").CombinedOutput()
		if err != nil || strings.Count(string(out), "\nanother-") != 4 {
			b.Fatalf("%v: %s", err, out)
		}
		b.ResetTimer()
		run(b, "status")
	})
}
