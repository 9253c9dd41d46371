package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Colours, of Okabe and Ito's palette: who cannot tell red from green can tell these
// apart.
var (
	blue      = color.NRGBA{0x00, 0x72, 0xb2, 0xff}
	vermilion = color.NRGBA{0xd5, 0x5e, 0x00, 0xff}
	grey      = color.NRGBA{0x55, 0x55, 0x55, 0xff}
	pale      = color.NRGBA{0xee, 0xee, 0xee, 0xff}
)

// quarterTurn is what a text is turned by to go upwards.
const quarterTurn = math.Pi / 2

// width of a picture: 800 pixels, as wide as a page on GitHub.
const width = vg.Length(600)

// Sizes of text, in points.
const (
	small  = vg.Length(8.5)
	middle = vg.Length(9.5)
	large  = vg.Length(11)
)

// style is a style of text without serifs.
func style(size vg.Length, c color.Color) draw.TextStyle {
	s := draw.TextStyle{Color: c, Font: plot.DefaultFont, YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
	s.Font.Variant, s.Font.Size = "Sans", size
	return s
}

// newPlot is a plot in this style, without anything in it.
func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.Padding = title, 4
	p.Title.TextStyle = centred(style(large, color.Black))
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle = centred(style(middle, color.Black))
		axis.Padding = 0
		axis.Width, axis.Tick.Width = 0.75, 0.75
	}
	p.X.Tick.Label = style(small, color.Black)
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XCenter, draw.YTop
	p.Y.Tick.Label = style(small, color.Black)
	p.Y.Tick.Label.XAlign, p.Y.Tick.Label.YAlign = draw.XRight, draw.YCenter
	p.Y.Label.TextStyle.YAlign = draw.YBottom
	p.Legend.TextStyle = style(small, color.Black)
	p.Legend.TextStyle.YAlign = draw.YBottom
	p.Title.TextStyle.YAlign, p.X.Label.TextStyle.YAlign = draw.YTop, draw.YBottom
	return p
}

func centred(s draw.TextStyle) draw.TextStyle {
	s.XAlign = draw.XCenter
	return s
}

// area is a polygon without an outline.
func area(points plotter.XYs, fill color.Color) (*plotter.Polygon, error) {
	p, err := plotter.NewPolygon(points)
	if err != nil {
		return nil, err
	}
	p.Color, p.Width = fill, 0
	return p, nil
}

// rectangle is such a polygon.
func rectangle(x0, y0, x1, y1 float64, fill color.Color) (*plotter.Polygon, error) {
	return area(plotter.XYs{{X: x0, Y: y0}, {X: x0, Y: y1}, {X: x1, Y: y1}, {X: x1, Y: y0}}, fill)
}

// every has a tick, with its number, at each multiple of a number.
func every(step float64, min, max float64) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for n := int(min/step) - 1; float64(n)*step <= max; n++ {
		if at := float64(n) * step; at >= min {
			ticks = append(ticks, plot.Tick{Value: at, Label: fmt.Sprint(at)})
		}
	}
	return ticks
}

// beside is how far a text is from the line that it is about.
const beside = vg.Length(3)

// A moment is a thin line from the x-axis up to a text beside its top.
type moment struct {
	at, height float64
	text       string
	left       bool // the text is left of the line
}

// moments plots some.
type moments []moment

func (all moments) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, m := range all {
		line := draw.LineStyle{Color: grey, Width: 0.75, Dashes: []vg.Length{2, 2}}
		c.StrokeLine2(line, x(m.at), y(p.Y.Min), x(m.at), y(m.height)+small/2)
		s, gap := style(small, color.Black), beside
		if m.left {
			s.XAlign, gap = draw.XRight, -gap
		}
		c.FillText(s, vg.Point{X: x(m.at) + gap, Y: y(m.height)}, m.text)
	}
}

// label plots a text beside a place.
type label struct {
	x, y  float64
	text  string
	style draw.TextStyle
}

func (l label) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	c.FillText(l.style, vg.Point{X: x(l.x) + beside, Y: y(l.y)}, l.text)
}

// svg draws on white, so that the picture can be read on a dark page too, and returns the
// picture with a title and a description for who does not see it.
func svg(height vg.Length, title, description string, drawing func(draw.Canvas)) ([]byte, error) {
	canvas := vgsvg.New(width, height)
	c := draw.New(canvas)
	c.SetColor(color.White)
	c.Fill(c.Path())
	drawing(draw.Crop(c, 6, -6, 6, -6))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, err
	}
	picture := out.String()
	// Liberation Sans has the widths of Arial and of Helvetica. One of the three is
	// nearly everywhere; without them a viewer would take one with serifs.
	picture = strings.ReplaceAll(picture, "font-family:Liberation Sans;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;")
	head := strings.Index(picture, "<g ")
	if head < 0 {
		return nil, fmt.Errorf("the picture %q has no element", title)
	}
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;")
	about := fmt.Sprintf("<title>%s</title>\n<desc>%s</desc>\n", escape.Replace(title), escape.Replace(description))
	return []byte(picture[:head] + about + picture[head:]), nil
}
