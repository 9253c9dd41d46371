package main

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A phase of a rotation has a panel of its own, with its own scale.
type phase struct {
	title    string
	from, to float64
	share    float64 // of the picture's width
	tick     float64 // between two of its numbers
	marks    moments
}

// Rows of the picture, from below.
const (
	rowNewTasks = iota
	rowOldTasks
	rowNewPassword
	rowOldPassword
	rows
)

// top is where the marks' texts begin, above the rows, and line how far they are apart.
const (
	top  = rows + 0.25
	line = 0.42
)

// drawLife draws the life of one rotation: what the server accepts, and which tasks run,
// over its phases.
func drawLife(m measured) ([]byte, error) {
	r := m.Function
	at := r.Marks
	const shown = 0.5 // of the observation, in the last panel
	phases := []phase{
		{title: "Four steps", from: -0.3, to: at[redeployed], share: 0.29, tick: 0.5, marks: moments{
			{at: r.Steps["createSecret"].From, text: "createSecret", height: top + 3*line},
			{at: r.Steps["setSecret"].From, text: "setSecret", height: top + 2*line},
			{at: r.Steps["testSecret"].From, text: "testSecret", height: top + line},
			{at: r.Steps["finishSecret"].From, text: "finishSecret promotes", height: top},
		}},
		{title: "Rollout", from: at[redeployed], to: at[converged], share: 0.29, tick: 2, marks: moments{
			{at: at[redeployed], text: "redeploy begins", height: top + 3*line},
			{at: at[replaced], text: "last old task stopped", height: top + 2*line, left: true},
		}},
		{title: "Observation", from: at[converged], to: at[quarantined] - shown, share: 0.19, tick: 20, marks: moments{
			{at: at[converged], text: "rollout converged", height: top + 3*line},
		}},
		{title: "Retirement", from: at[quarantined] - shown, to: r.end(), share: 0.23, tick: 1, marks: moments{
			{at: at[quarantined], text: "quarantined", height: top + 3*line},
			{at: at[retired], text: "retired", height: top + 2*line},
		}},
	}
	var panels []*plot.Plot
	for i, ph := range phases {
		p, err := panel(m, ph)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			p.Y.Tick.Marker = plot.ConstantTicks{}
		}
		panels = append(panels, p)
	}
	for i, text := range []string{"for " + seconds(m.Observation) + " here,", "1 hour by default"} {
		panels[2].Add(label{x: at[converged], y: top + float64(2-i)*line, text: text, style: style(small, grey)})
	}

	description := fmt.Sprintf("One rotation of the database password on %s. The server accepts the old and the new password from setSecret, at %.1f s, until the old one is quarantined, at %.0f s: after every task was replaced and %s of observation.",
		m.Server, r.Steps["setSecret"].To, at[quarantined], seconds(m.Observation))
	return svg(240, "The life of one rotation", description, func(c draw.Canvas) {
		const names, foot = vg.Length(108), vg.Length(14)
		below := style(middle, color.Black)
		below.XAlign = draw.XCenter
		c.FillText(below, vg.Point{X: (c.Min.X + names + c.Max.X) / 2, Y: c.Min.Y + foot/2}, "seconds since the rotation began; each part has a scale of its own")
		c.Min.Y += foot
		left, whole := c.Min.X+names, c.Max.X-c.Min.X-names
		for i, p := range panels {
			right := left + whole*vg.Length(phases[i].share)
			part := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{Min: vg.Point{X: left, Y: c.Min.Y}, Max: vg.Point{X: right - 6, Y: c.Max.Y}}}
			p.Draw(part)
			if i == 0 {
				nameRows(c, p, p.DataCanvas(part), left-6, m.Tasks)
			}
			left = right
		}
	})
}

// nameRows names the rows left of the panels.
func nameRows(c draw.Canvas, p *plot.Plot, data draw.Canvas, right vg.Length, tasks int) {
	_, y := p.Transforms(&data)
	for row, name := range [rows]string{
		rowOldPassword: "old password accepted", rowNewPassword: "new password accepted",
		rowOldTasks: fmt.Sprintf("of %d tasks, on the old one", tasks), rowNewTasks: fmt.Sprintf("of %d tasks, on the new one", tasks),
	} {
		s := style(small, color.Black)
		s.XAlign = draw.XRight
		c.FillText(s, vg.Point{X: right, Y: y(float64(row) + 0.45)}, name)
	}
}

// panel plots one phase.
func panel(m measured, ph phase) (*plot.Plot, error) {
	p := newPlot(ph.title)
	p.X.Min, p.X.Max, p.X.Tick.Marker = ph.from, ph.to, every(ph.tick, ph.from, ph.to)
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, top+3.6*line, plot.ConstantTicks{}
	p.Y.Width = 0
	for row := range rows {
		ground, err := rectangle(ph.from, float64(row)+0.1, ph.to, float64(row)+0.8, pale)
		if err != nil {
			return nil, err
		}
		p.Add(ground)
	}
	for row, heights := range heightsOf(m) {
		for i, h := range heights {
			from, to := max(h.at, ph.from), ph.to
			if i+1 < len(heights) {
				to = min(to, heights[i+1].at)
			}
			if h.height == 0 || from >= to {
				continue
			}
			bar, err := rectangle(from, float64(row)+0.1, to, float64(row)+0.1+0.7*h.height, rowColours[row])
			if err != nil {
				return nil, err
			}
			p.Add(bar)
		}
	}
	p.Add(ph.marks)
	return p, nil
}

// rowColours are those of the passwords that the rows are about.
var rowColours = [rows]color.Color{rowOldPassword: vermilion, rowOldTasks: vermilion, rowNewPassword: blue, rowNewTasks: blue}

// height is that of a row's bar from a time on, from 0 to 1.
type height struct{ at, height float64 }

// heightsOf are each change of each row.
func heightsOf(m measured) (all [rows][]height) {
	add := func(row int, at, h float64) {
		if last := len(all[row]) - 1; last < 0 || all[row][last].height != h {
			all[row] = append(all[row], height{at, h})
		}
	}
	of := map[bool]float64{true: 1}
	for _, now := range m.Function.Passwords {
		add(rowOldPassword, now.At, of[now.Old])
		add(rowNewPassword, now.At, of[now.New])
	}
	for _, now := range m.Function.Running {
		add(rowOldTasks, now.At, float64(now.Old)/float64(m.Tasks))
		add(rowNewTasks, now.At, float64(now.New)/float64(m.Tasks))
	}
	return all
}
