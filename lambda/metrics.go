package main

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"time"

	"mautic-rotation/rotation"
)

// metricsNamespace is the CloudWatch namespace of the function's metrics.
const metricsNamespace = "MauticSecretRotation"

// metrics writes measurements in CloudWatch's embedded metric format: one JSON object per line,
// which CloudWatch Logs reads. Each has the secret's name as a dimension, and the step or kind
// that it belongs to.
type metrics struct {
	out io.Writer
	// function is the function's name. What does not belong to a step is also written under that
	// name, for all secrets together: an alarm must name its metric in full, and a template
	// cannot derive a secret's name from its ARN.
	function string
}

var _ rotation.Metrics = metrics{}

// newMetrics measures under a function's name; unmeasured: it writes nothing.
func newMetrics(out io.Writer, function string, unmeasured bool) metrics {
	if unmeasured {
		out = io.Discard
	}
	return metrics{out, function}
}

// Put is rotation.Metrics.
func (m metrics) Put(secretARN string, list ...rotation.Metric) {
	ofSecret, ofFunction := map[string]string{"Secret": rotation.SecretName(secretARN)}, map[string]string{"Function": m.function}
	if kind := list[0].Kind; kind != "" {
		ofSecret["Kind"], ofFunction["Kind"] = kind, kind
	}
	m.write([]map[string]string{ofSecret, ofFunction}, list...)
}

// step measures the end of a step or an action.
func (m metrics) step(secretARN, step string, milliseconds int64, failed bool) {
	failures := 0.0
	if failed {
		failures = 1
	}
	m.write([]map[string]string{{"Secret": rotation.SecretName(secretARN), "Step": step}},
		rotation.Metric{Name: "Time", Unit: "Milliseconds", Value: float64(milliseconds)},
		rotation.Metric{Name: "Failures", Unit: "Count", Value: failures})
}

// write writes one line in one call, because other lines go to the same stream. Each set of
// dimensions gets the measurements.
func (m metrics) write(sets []map[string]string, list ...rotation.Metric) {
	type definition struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	d := directive{Namespace: metricsNamespace}
	line := map[string]any{}
	for _, dimensions := range sets {
		d.Dimensions = append(d.Dimensions, slices.Sorted(maps.Keys(dimensions)))
		for name, value := range dimensions {
			line[name] = value
		}
	}
	for _, metric := range list {
		d.Metrics = append(d.Metrics, definition{metric.Name, metric.Unit})
		line[metric.Name] = metric.Value
	}
	line["_aws"] = map[string]any{"Timestamp": time.Now().UnixMilli(), "CloudWatchMetrics": []directive{d}}
	text, err := json.Marshal(line)
	if err != nil || m.out == nil {
		return // the value is not a number: nothing here makes one
	}
	_, _ = io.WriteString(m.out, string(text)+"\n")
}
