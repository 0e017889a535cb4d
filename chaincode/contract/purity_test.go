package contract_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pure are the packages whose results endorsers compare.
var pure = []string{"errcode", "ledger", "governance", "membership", "selection", "round", "rewards", "release", "consortia", "contract"}

// TestTheRulesHaveNoClockFloatGoroutineRandomnessOrMapOrder reads the source of the rules. A range over a map is allowed
// where its line says why the order does not matter, with "any order".
func TestTheRulesHaveNoClockFloatGoroutineRandomnessOrMapOrder(t *testing.T) {
	exports := exportData(t)
	for _, name := range pure {
		fset := token.NewFileSet()
		files := parsed(t, fset, name)
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
		config := types.Config{Importer: importer.ForCompiler(fset, "gc", exports)}
		if _, err := config.Check(name, fset, files, info); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, file := range files {
			for _, problem := range impure(fset, file, info) {
				t.Errorf("%s", problem)
			}
		}
	}
}

func parsed(t *testing.T, fset *token.FileSet, name string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob("../" + name + "/*.go")
	if err != nil || len(paths) == 0 {
		t.Fatal("no source of ", name)
	}
	files := []*ast.File{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// exportData finds the compiled packages in the build cache, so that only the rules themselves are type-checked.
func exportData(t *testing.T) importer.Lookup {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "..").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[name] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}

func impure(fset *token.FileSet, file *ast.File, info *types.Info) []string {
	problems, excused := []string{}, map[int]bool{}
	for _, group := range file.Comments {
		if strings.Contains(group.Text(), "any order") {
			excused[fset.Position(group.Pos()).Line] = true
		}
	}
	say := func(node ast.Node, what string) {
		problems = append(problems, fset.Position(node.Pos()).String()+": "+what)
	}
	for _, imported := range file.Imports {
		switch strings.Trim(imported.Path.Value, `"`) {
		case "time", "math/rand", "math/rand/v2", "crypto/rand", "sync", "unsafe":
			say(imported, "imports "+imported.Path.Value)
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt, *ast.SelectStmt:
			say(node, "runs concurrently")
		case *ast.RangeStmt:
			_, isMap := info.TypeOf(node.X).Underlying().(*types.Map)
			if isMap && !excused[fset.Position(node.Pos()).Line] {
				say(node, "ranges over a map")
			}
		case ast.Expr:
			if found, ok := info.Types[node]; ok && isFloat(found) {
				say(node, "is a float")
			}
		}
		return true
	})
	return problems
}

func isFloat(found types.TypeAndValue) bool {
	basic, ok := found.Type.Underlying().(*types.Basic)
	return ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0
}
