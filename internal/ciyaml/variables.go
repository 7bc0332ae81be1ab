package ciyaml

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// variables reads a variables mapping. A description belongs to the pipeline's variables only, as in GitLab.
func (c containers) variables(value node, owner string, global bool) ([]Variable, error) {
	if value.kind != yamlMapping {
		return nil, c.errorf(value.line, `"variables" of %s must be a mapping, this is %s`, owner, value.describe())
	}
	var out []Variable
	for _, e := range value.entries {
		variable, err := c.variable(e, fmt.Sprintf("variable %q of %s", e.key, owner), global)
		if err != nil {
			return nil, err
		}
		out = append(out, variable)
	}
	return out, nil
}

func (c containers) variable(e entry, what string, global bool) (Variable, error) {
	out := Variable{Name: e.key}
	if e.value.kind != yamlMapping {
		text, err := c.scalarText(e.value, what)
		out.Value = text
		return out, err
	}
	for _, k := range e.value.entries {
		var err error
		switch {
		case k.key == "value":
			out.Value, err = c.scalarText(k.value, what)
		case k.key == "expand":
			var expand bool
			expand, err = c.boolean(k.value, `"expand" of `+what)
			out.Raw = !expand
		case k.key == "description" && global:
			_, err = c.text(k.value, `"description" of `+what)
		default:
			err = c.errorf(k.line, "keyword %q of %s is not supported by exec yet", k.key, what)
		}
		if err != nil {
			return Variable{}, err
		}
	}
	return out, nil
}

// scalarText gives the text that GitLab's YAML reader, a YAML 1.1 one, makes of a plain value: 0755 becomes 493,
// 1.10 becomes 1.1 and yes becomes true. Quotes keep a value as it is.
func (s source) scalarText(value node, what string) (string, error) {
	if truth, ok := booleanOf(value); ok {
		return strconv.FormatBool(truth), nil
	}
	if value.kind == yamlScalar {
		switch value.tag {
		case "!!str":
			return value.value, nil
		case "!!int", "!!float":
			if text, ok := integerText(value.value); ok {
				return text, nil
			}
			if text, ok := floatText(value.value); ok {
				return text, nil
			}
		}
	}
	return "", s.errorf(value.line, "%s must be a string, a number or a boolean, this is %s: put it into quotes", what, value.describe())
}

func integerText(text string) (string, bool) {
	digits := strings.ReplaceAll(text, "_", "")
	number, err := strconv.ParseInt(digits, 0, 64)
	if err != nil {
		// Beyond 64 bits: GitLab keeps every digit.
		return digits, strings.Trim(digits, "+-0123456789") == ""
	}
	return strconv.FormatInt(number, 10), true
}

// floatText writes a number as Ruby does: always with a point, and with an exponent from 1e16 on and below 1e-4.
func floatText(text string) (string, bool) {
	number, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if err != nil || math.IsInf(number, 0) || math.IsNaN(number) {
		return "", false
	}
	size := math.Abs(number)
	if number == 0 || size >= 1e-4 && size < 1e16 {
		plain := strconv.FormatFloat(number, 'f', -1, 64)
		if !strings.Contains(plain, ".") {
			plain += ".0"
		}
		return plain, true
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(number, 'e', -1, 64), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	return mantissa + "e" + exponent, true
}
