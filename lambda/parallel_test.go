package main

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"path/filepath"
	"testing"
)

// TestATestWithSubtestsIsParallelItself looks at this package's tests. deploy makes
// a subtest parallel, and a test that is not parallel itself keeps all others
// waiting until its last subtest has ended.
func TestATestWithSubtestsIsParallelItself(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, name := range files {
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || len(f.Name.Name) < 4 || f.Name.Name[:4] != "Test" || !callsT(f.Body, "Run") {
				continue
			}
			looked++
			parallel := false
			for _, statement := range f.Body.List {
				if e, ok := statement.(*ast.ExprStmt); ok {
					parallel = parallel || isCallOfT(e.X, "Parallel")
				}
			}
			if !parallel {
				t.Errorf("%s: %s has subtests: begin it with t.Parallel()", name, f.Name.Name)
			}
		}
	}
	if looked == 0 {
		t.Error("no test has subtests")
	}
}

// callsT tells whether a method of t is called anywhere in a body.
func callsT(body *ast.BlockStmt, method string) (found bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && isCallOfT(e, method) {
			found = true
		}
		return !found
	})
	return found
}

func isCallOfT(e ast.Expr, method string) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != method {
		return false
	}
	receiver, ok := selector.X.(*ast.Ident)
	return ok && receiver.Name == "t"
}
