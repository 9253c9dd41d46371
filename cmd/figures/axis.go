package main

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// An axis of time that leaves out what is between two times, if it has any.
type axis struct {
	from, to     float64
	cut, resumed float64 // what is between is left out; the same: nothing is
}

// gap is how much of the axis stands for what is left out.
const gap = 0.8

// at is where a time is on the axis: in the middle of the gap if it is left out.
func (a axis) at(t float64) float64 {
	switch {
	case a.cut == a.resumed || t <= a.cut:
		return t
	case t >= a.resumed:
		return t - a.resumed + a.cut + gap
	default:
		return a.cut + gap/2
	}
}

// end is where the axis ends.
func (a axis) end() float64 { return a.at(a.to) }

// parts are the times that are there.
func (a axis) parts() []span {
	if a.cut == a.resumed {
		return []span{{a.from, a.to}}
	}
	return []span{{a.from, a.cut}, {a.resumed, a.to}}
}

// ticks are at even numbers of seconds.
func (a axis) ticks() plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, part := range a.parts() {
		for _, tick := range every(2, part.From, part.To) {
			tick.Value = a.at(tick.Value)
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

// leftOut shows what the axis leaves out.
type leftOut struct {
	axis
	text string
}

func (l leftOut) Plot(c draw.Canvas, p *plot.Plot) {
	if l.cut == l.resumed {
		return
	}
	x, y := p.Transforms(&c)
	from, to := x(l.cut), x(l.cut+gap)
	c.FillPolygon(pale, []vg.Point{{X: from, Y: y(p.Y.Min)}, {X: from, Y: y(p.Y.Max)}, {X: to, Y: y(p.Y.Max)}, {X: to, Y: y(p.Y.Min)}})
	s := centred(style(small, grey))
	s.Rotation = quarterTurn
	c.FillText(s, vg.Point{X: (from + to) / 2, Y: y((p.Y.Min + p.Y.Max) / 2)}, l.text)
}

// outlines go around what is between two numbers in each bin, in each part of the axis.
func (a axis) outlines(r rotation, lower, upper []int) (all []plotter.XYs) {
	for _, part := range a.parts() {
		var along, back plotter.XYs
		for i := range upper {
			begin, end := r.From+binWidth*float64(i), r.From+binWidth*float64(i+1)
			if end < part.From+binWidth/2 || begin > part.To-binWidth/2 {
				continue
			}
			x0 := a.at(max(begin, part.From))
			x1 := a.at(min(end, part.To))
			along = step(along, x0, x1, upper[i])
			back = step(back, x0, x1, lower[i])
		}
		for i := len(back) - 1; i >= 0; i-- {
			along = append(along, back[i])
		}
		if len(along) > 0 {
			all = append(all, along)
		}
	}
	return all
}

// step goes on at a height.
func step(line plotter.XYs, x0, x1 float64, height int) plotter.XYs {
	if last := len(line) - 1; last >= 0 && line[last].Y == float64(height) {
		line[last].X = x1
		return line
	}
	return append(line, plotter.XY{X: x0, Y: float64(height)}, plotter.XY{X: x1, Y: float64(height)})
}

// seconds is a number of them for people.
func seconds(s float64) string { return fmt.Sprintf("%.0f s", s) }
