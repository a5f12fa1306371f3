# One edit of one UCI file. Lines are `config type 'name'` and `option|list name 'value'`.
function bare(text) { gsub(/^'|'$/, "", text); return text }
function rest(line) { sub(/^[ \t]*[a-z]+[ \t]+[^ \t]+[ \t]*/, "", line); return bare(line) }
function named(s) { return names[s] != "" ? names[s] : "cfg" s }
function shown(s,   i, n) { # an anonymous one by its type and place
	for (i = 1; i < s; i++) if (types[i] == types[s]) n++
	return names[s] != "" ? names[s] : "@" types[s] "[" n + 0 "]"
}
function find(text,   at, i, n, type) {
	if (text ~ /^@/) {
		type = text; sub(/^@/, "", type); at = type; sub(/\[.*/, "", type); gsub(/.*\[|\]/, "", at)
		for (i = 1; i <= sections; i++) if (types[i] == type && n++ == at) return i
		return 0
	}
	for (i = 1; i <= sections; i++) if (named(i) == text) return i
	return 0
}
/^[ \t]*(#|$)/ { next }
$1 == "config" { sections++; types[sections] = $2; names[sections] = rest($0); next }
{ n = ++count[sections]; kinds[sections, n] = $1; options[sections, n] = $2; values[sections, n] = rest($0) }
END {
	split(key, part, "."); s = find(part[1]); o = part[2]
	if (cmd == "show") {
		for (s = 1; s <= sections; s++) {
			print FILENAME_BASE() "." shown(s) "=" types[s]
			for (i = 1; i <= count[s]; i++) print FILENAME_BASE() "." shown(s) "." options[s, i] "='" values[s, i] "'"
		}
		exit
	}
	if (cmd == "get") {
		if (!s) exit 1
		if (o == "") { print types[s]; exit }
		for (i = 1; i <= count[s]; i++) if (options[s, i] == o) { found = found (found ? " " : "") values[s, i] }
		if (found == "") exit 1
		print found; exit
	}
	if (cmd == "rename") for (i = 1; i <= count[s]; i++) if (options[s, i] == o) options[s, i] = value
	if (cmd == "delete") { if (!s) exit 1; if (o == "") gone[s] = 1; else drop(s, o) }
	if (cmd == "set" && o == "") { if (!s) { s = ++sections; names[s] = part[1] } types[s] = value }
	else if (cmd == "set" || cmd == "add_list") {
		if (!s) exit 1
		if (cmd == "set") drop(s, o)
		n = ++count[s]; kinds[s, n] = cmd == "set" ? "option" : "list"; options[s, n] = o; values[s, n] = value
	}
	for (s = 1; s <= sections; s++) if (!gone[s]) {
		print "\nconfig " types[s] (names[s] != "" ? " '" names[s] "'" : "")
		for (i = 1; i <= count[s]; i++) if (options[s, i] != "") print "\t" kinds[s, i] " " options[s, i] " '" values[s, i] "'"
	}
}
function drop(s, o,   i) { for (i = 1; i <= count[s]; i++) if (options[s, i] == o) options[s, i] = "" }
function FILENAME_BASE(   name) { name = FILENAME; sub(/.*\//, "", name); return name }
