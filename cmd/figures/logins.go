package main

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// drawLogins draws the logins during both rotations, one above the other, on the same
// axes.
func drawLogins(m measured) ([]byte, error) {
	marks := m.Function.Marks
	time := axis{from: max(m.AlterUser.From, m.Function.From), to: min(m.AlterUser.end(), m.Function.end())}
	if cut, resumed := max(marks[converged], m.AlterUser.Marks[replaced])+2, marks[quarantined]-3; resumed-cut > 4 {
		time.cut, time.resumed = cut, resumed
	}
	const high, low = 24, 20.5 // the two lines of text above the logins
	alter, err := loginsOf(m.AlterUser, time, "Plain ALTER USER … IDENTIFIED BY, then a redeploy", []moment{
		{at: m.AlterUser.Marks[altered], height: high, text: "password changed"},
		{at: m.AlterUser.Marks[redeployed], height: low, text: "redeploy begins"},
		{at: m.AlterUser.Marks[replaced], height: low, text: "last old task stopped"},
	})
	if err != nil {
		return nil, err
	}
	function, err := loginsOf(m.Function, time, "This project’s function", []moment{
		{at: m.Function.Steps["setSecret"].To, height: high, text: "new password accepted beside the old one"},
		{at: marks[redeployed], height: low, text: "redeploy begins"},
		{at: marks[replaced], height: low, text: "last old task stopped", left: true},
		{at: marks[quarantined], height: low, text: "old password refused"},
	})
	if err != nil {
		return nil, err
	}
	function.Legend = plot.NewLegend() // one is enough
	function.X.Label.Text = "seconds since the rotation began"

	accepted, refused := m.AlterUser.totals()
	description := fmt.Sprintf("Logins of %d tasks in each 100 ms, on %s. With a plain ALTER USER, %d of %d logins are refused, until the redeploy has replaced the last task. With this project’s function, none is.",
		m.Tasks, m.Server, refused, accepted+refused)
	return svg(330, "Logins during a rotation", description, func(c draw.Canvas) {
		tiles := draw.Tiles{Rows: 2, Cols: 1, PadY: 10}
		plots := [][]*plot.Plot{{alter}, {function}}
		for row, canvases := range plot.Align(plots, tiles, c) {
			plots[row][0].Draw(canvases[0])
		}
	})
}

// loginsOf plots the logins of a rotation in each bin: the refused ones upon the accepted
// ones.
func loginsOf(r rotation, time axis, title string, marks moments) (*plot.Plot, error) {
	_, refused := r.totals()
	p := newPlot(fmt.Sprintf("%s: %d logins refused", title, refused))
	p.X.Min, p.X.Max, p.X.Tick.Marker = time.from, time.end(), time.ticks()
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, 26, every(5, 0, 15)
	p.Y.Label.Text = "logins per 100 ms"
	none, both := make([]int, len(r.Accepted)), make([]int, len(r.Accepted))
	for i := range both {
		both[i] = r.Accepted[i] + r.Refused[i]
		p.Y.Max = max(p.Y.Max, float64(both[i]))
	}
	for _, series := range []struct {
		name         string
		lower, upper []int
		colour       color.Color
	}{{"accepted", none, r.Accepted, blue}, {"refused", r.Accepted, both, vermilion}} {
		for i, points := range time.outlines(r, series.lower, series.upper) {
			part, err := area(points, series.colour)
			if err != nil {
				return nil, err
			}
			p.Add(part)
			if i == 0 {
				p.Legend.Add(series.name, part)
			}
		}
	}
	p.Legend.Top, p.Legend.XOffs, p.Legend.ThumbnailWidth, p.Legend.Padding = true, -4, 10, 2
	p.Legend.YOffs = vg.Length(-2)
	for i := range marks {
		marks[i].at = time.at(marks[i].at)
	}
	p.Add(leftOut{time, seconds(time.resumed-time.cut) + " left out"}, marks)
	return p, nil
}
