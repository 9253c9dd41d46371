package logs

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"mautic-rotation/internal/localaws/wire"
)

// StartQueryInput is a query and what it is about. Times are in seconds since 1970, and both are included.
type StartQueryInput struct {
	LogGroupName        string
	LogGroupNames       []string
	LogGroupIdentifiers []string
	StartTime, EndTime  *int64
	QueryString         string
	QueryLanguage       string
	Limit               int // default 1000, where the query has none
}

// StartQueryOutput is the answer of StartQuery.
type StartQueryOutput struct {
	QueryID string `json:"queryId"`
}

// query is a query that was started.
type query struct {
	asked      bool
	results    [][]ResultField
	statistics Statistics
}

func malformed(format string, a ...any) *wire.Error {
	return &wire.Error{Code: "MalformedQueryException", Message: fmt.Sprintf(format, a...)}
}

// StartQuery starts a query of Logs Insights, about what there is now.
func (s *StandIn) StartQuery(_ context.Context, in StartQueryInput) (out StartQueryOutput, err error) {
	if in.QueryLanguage != "" && in.QueryLanguage != "CWLI" {
		return out, invalid("localaws has the query language CWLI alone")
	}
	if in.StartTime == nil || in.EndTime == nil {
		return out, wire.Required("startTime")
	}
	parsed, err := ParseQuery(in.QueryString)
	if err != nil {
		return out, malformed("%v", err)
	}
	names := slices.Clone(in.LogGroupNames)
	if in.LogGroupName != "" {
		names = append(names, in.LogGroupName)
	}
	for _, identifier := range in.LogGroupIdentifiers {
		names = append(names, nameOf(identifier))
	}
	if len(names) == 0 {
		return out, invalid("No log group was specified.")
	}
	from, to := time.Unix(*in.StartTime, 0), time.Unix(*in.EndTime, 999_000_000)
	if to.Before(from) {
		return out, malformed("The end time is before the start time.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &query{results: [][]ResultField{}}
	var rows []row
	for _, name := range names {
		g := s.groups[name]
		if g == nil {
			return out, wire.NotFound("Log group '%s' does not exist for account ID '%s'", name, s.env.Account.ID)
		}
		if to.Before(g.created) {
			return out, malformed("end date and time is either before the log groups creation time or exceeds the log groups log retention settings")
		}
		for _, m := range g.within(from, to) {
			rows = append(rows, s.row(g, m))
			q.statistics.BytesScanned += float64(len(m.Text))
		}
	}
	found := parsed.run(rows)
	q.statistics.RecordsScanned, q.statistics.RecordsMatched = float64(len(rows)), float64(len(found))
	limit := 1000
	if in.Limit > 0 {
		limit = in.Limit
	}
	if parsed.limit > 0 {
		limit = parsed.limit
	}
	for _, r := range found[:min(limit, len(found))] {
		q.results = append(q.results, parsed.shape(r))
	}
	out.QueryID = s.env.Random.UUID()
	s.queries[out.QueryID] = q
	return out, nil
}

// row is a message as a query sees it.
func (s *StandIn) row(g *group, m Message) row {
	at := m.At.UTC().Format("2006-01-02 15:04:05.000")
	r := row{}
	discover(r, m.Text)
	r["@timestamp"], r["@ingestionTime"], r["@message"], r["@logStream"] = at, at, m.Text, m.Stream
	r["@log"] = s.env.Account.ID + ":" + g.name
	r["@ptr"] = base64.StdEncoding.EncodeToString([]byte(m.ID))
	return r
}

// shape is a message as the query asks for it: of its fields those that the message has, and where it is.
func (q *Query) shape(r row) (shaped []ResultField) {
	for _, name := range append(slices.Clone(q.fields), "@ptr") {
		if value, ok := r[name]; ok {
			shaped = append(shaped, ResultField{name, value})
		}
	}
	return shaped
}

// GetQueryResultsInput names a query.
type GetQueryResultsInput struct{ QueryID string }

// GetQueryResultsOutput is the answer of GetQueryResults.
type GetQueryResultsOutput struct {
	Status     string          `json:"status"` // Running, Complete
	Results    [][]ResultField `json:"results"`
	Statistics Statistics      `json:"statistics"`
	Language   string          `json:"queryLanguage"`
}

// ResultField is a field of a message.
type ResultField struct {
	Field string `json:"field"`
	Value string `json:"value"`
}

// Statistics tell what a query looked at.
type Statistics struct {
	RecordsMatched float64 `json:"recordsMatched"`
	RecordsScanned float64 `json:"recordsScanned"`
	BytesScanned   float64 `json:"bytesScanned"`
}

// GetQueryResults answers with what a query found. The first time that it is asked the query is still running, and nothing has
// been found.
func (s *StandIn) GetQueryResults(_ context.Context, in GetQueryResultsInput) (GetQueryResultsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queries[in.QueryID]
	if q == nil {
		return GetQueryResultsOutput{}, wire.NotFound("The specified query does not exist.")
	}
	if !q.asked {
		q.asked = true
		return GetQueryResultsOutput{Status: "Running", Results: [][]ResultField{}, Language: "CWLI"}, nil
	}
	return GetQueryResultsOutput{"Complete", q.results, q.statistics, "CWLI"}, nil
}
