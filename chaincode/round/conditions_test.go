package round_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// reading are the functions of other packages that a condition may call; those of this one read what they are given, by type.
var reading = map[string][]string{"slices": {"Contains", "ContainsFunc", "Index", "IndexFunc", "Equal"}, "ledger": nil, "maps": nil}

// TestNoConditionOfTheTableWritesThroughWhatItIsGiven reads the source of every method of facts. Its type holds no way to the
// ledger's writes; slices and maps that it shares with the others are left: so it assigns only to variables of its own.
func TestNoConditionOfTheTableWritesThroughWhatItIsGiven(t *testing.T) {
	methods := 0
	for name, problems := range conditions(t, ".") {
		methods++
		for _, problem := range problems {
			t.Errorf("%s: %s", name, problem)
		}
	}
	if methods < 14 {
		t.Fatalf("only %d methods of facts were found", methods)
	}
}

func TestAConditionThatWritesIsFound(t *testing.T) {
	folder := t.TempDir()
	source := "package round\n" +
		"func (f facts) one() { f.round.Cohort[0].Rows = 1 }\n" +
		"func (f facts) two() { found, _ := f.seals(); found.blamed[0] = \"\" }\n" +
		"func (f facts) three() { found, _ := f.seals(); slices.Sort(found.blamed) }\n" +
		"func (f facts) four() { asked++ }\n" +
		"func (f *facts) five() {}\n" +
		"func (f facts) six() { _ = append(f.status.U1, \"\") }\n"
	if err := os.WriteFile(folder+"/facts.go", []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	found := conditions(t, folder)
	for _, name := range []string{"one", "two", "three", "four", "five", "six"} {
		if len(found[name]) == 0 {
			t.Errorf("what %s writes is not found", name)
		}
	}
}

// conditions returns what each method of facts does that it may not.
func conditions(t *testing.T, folder string) map[string][]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), folder+"/"+entry.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			method, ok := declaration.(*ast.FuncDecl)
			if ok && method.Recv != nil && ofFacts(method.Recv.List[0].Type) {
				found[method.Name.Name] = writes(method)
			}
		}
	}
	return found
}

func ofFacts(receiver ast.Expr) bool {
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	name, ok := receiver.(*ast.Ident)
	return ok && name.Name == "facts"
}

// writes lists the method's assignments to what is not its own, and its calls of what could change an argument.
func writes(method *ast.FuncDecl) []string {
	problems := []string{}
	if _, pointer := method.Recv.List[0].Type.(*ast.StarExpr); pointer {
		problems = append(problems, "takes a pointer")
	}
	own := declared(method)
	assigned := func(target ast.Expr) {
		if index, ok := target.(*ast.IndexExpr); ok && own[root(index.X)] == made {
			return
		}
		if name, ok := target.(*ast.Ident); ok && (name.Name == "_" || own[name.Name] != foreign) {
			return
		}
		problems = append(problems, "assigns to what is not its own")
	}
	ast.Inspect(method.Body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.AssignStmt:
			for _, target := range node.Lhs {
				assigned(target)
			}
		case *ast.IncDecStmt:
			assigned(node.X)
		case *ast.CallExpr:
			if called := changing(node.Fun); called != "" {
				problems = append(problems, "calls "+called)
			}
		case *ast.SendStmt, *ast.GoStmt, *ast.DeferStmt:
			problems = append(problems, "is not a plain predicate")
		}
		return true
	})
	return problems
}

const (
	foreign = iota // the receiver, a parameter or a variable of the package
	local          // a variable of the method, which may share what it holds
	made           // a variable of the method whose content the method made
)

func declared(method *ast.FuncDecl) map[string]int {
	own := map[string]int{}
	if method.Type.Results != nil {
		for _, result := range method.Type.Results.List {
			for _, name := range result.Names {
				own[name.Name] = local
			}
		}
	}
	ast.Inspect(method.Body, func(node ast.Node) bool {
		assignment, ok := node.(*ast.AssignStmt)
		if !ok || assignment.Tok != token.DEFINE {
			return true
		}
		for i, target := range assignment.Lhs {
			own[root(target)] = local
			if len(assignment.Lhs) == len(assignment.Rhs) {
				if _, literal := assignment.Rhs[i].(*ast.CompositeLit); literal {
					own[root(target)] = made
				}
			}
		}
		return true
	})
	return own
}

func root(expression ast.Expr) string {
	if name, ok := expression.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}

// changing names a called function that could change its arguments.
func changing(function ast.Expr) string {
	switch function := function.(type) {
	case *ast.Ident:
		if slices.Contains([]string{"append", "copy", "delete", "clear"}, function.Name) {
			return function.Name
		}
	case *ast.SelectorExpr:
		allowed, known := reading[root(function.X)]
		if known && !slices.Contains(allowed, function.Sel.Name) {
			return root(function.X) + "." + function.Sel.Name
		}
	}
	return ""
}
