package contract_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fedledger/chaincode/errcode"
)

// untried names the codes whose recommendation is done outside the contract, and why no test here does it.
var untried = map[errcode.Code]string{
	errcode.RulesVersion:        "it recommends a newer build",
	errcode.UnknownProposal:     "it names a command that shows something",
	errcode.AlreadyVoted:        "it names a command that shows something",
	errcode.UnknownTraining:     "it names a command that shows something",
	errcode.UnknownRelease:      "it names a command that shows something",
	errcode.NotReleasable:       "it names a command that shows something",
	errcode.InsufficientBalance: "it names a command that shows something",
}

// advises finds what tells the reader to do something.
var advises = regexp.MustCompile(`(^|[:,] )(or )?(send|vote|let|install|add|admit|reinstate|unstake|stake|wait|retry|apply|generate|propose|disagree|report|train)\b`)

// TestEveryRecommendationIsTestedByDoingIt finds the codes that recommend something, in the catalogue or in the text of a refusal.
func TestEveryRecommendationIsTestedByDoingIt(t *testing.T) {
	tests, recommending := testNames(t), refusalsThatAdvise(t)
	for code, entry := range errcode.Catalogue() {
		if entry.Hint != "" {
			recommending = append(recommending, code)
		}
	}
	slices.Sort(recommending)
	for _, code := range slices.Compact(recommending) {
		_, outside := untried[code]
		table := slices.ContainsFunc(recommendations, func(one recommendation) bool { return one.code == code })
		own := slices.ContainsFunc(tests, func(name string) bool { return strings.HasPrefix(name, "TestWhat"+string(code)+"RecommendsHelps") })
		if tried := table || own; tried == outside {
			t.Errorf("%s recommends something: tried here %t, listed as untried %t", code, tried, outside)
		}
	}
	if len(recommending) < 25 {
		t.Fatalf("only %d recommendations are found: %v", len(recommending), recommending)
	}
}

func testNames(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`(?m)^func (Test\w+)`).FindAllSubmatch(raw, -1) {
			names = append(names, string(match[1]))
		}
	}
	return names
}

// refusalsThatAdvise reads the text of every errcode.New in the rules.
func refusalsThatAdvise(t *testing.T) (found []errcode.Code) {
	t.Helper()
	raw, err := os.ReadFile("../errcode/codes.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]errcode.Code{}
	for _, match := range regexp.MustCompile(`(\w+) +Code = "(FL\d{4})"`).FindAllSubmatch(raw, -1) {
		codes[string(match[1])] = errcode.Code(match[2])
	}
	err = filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/cmd/") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			name, ok := call.Args[0].(*ast.SelectorExpr)
			if ok && codes[name.Sel.Name] != "" && advises.MatchString(text(call.Args[1])) {
				found = append(found, codes[name.Sel.Name])
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// text is what a constant of one or several parts says.
func text(expression ast.Expr) string {
	switch part := expression.(type) {
	case *ast.BasicLit:
		said, _ := strconv.Unquote(part.Value)
		return said
	case *ast.BinaryExpr:
		return text(part.X) + text(part.Y)
	}
	return ""
}
