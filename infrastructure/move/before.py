"""What an API was like before the first change: written down, held against, and put back."""

import json
import os
import pathlib

from gateway import Method, same, uri_of


class Stop(Exception):
    """Something that the operator has to decide. Nothing was changed."""


class Before:
    """The file `move-ID.json`. Only methods in ROUTES stand in it: no other is ever touched."""

    def __init__(self, gateway, routes, tables_of=lambda functions: {}):
        self.gateway, self.routes = gateway, [(one["method"], one["path"]) for one in routes]
        self.tables_of = tables_of
        self.file = pathlib.Path(f"move-{gateway.api}.json")
        self.is_new, self.kept = False, None

    def take(self, functions=()):
        """Reads the file, or looks at the API if there is none. `functions` are those of ours."""
        if self.file.exists():
            self._read()
            return
        self.is_new = True
        methods = [one for one in self.gateway.methods() if self.is_routed(one)]
        ours = {uri_of(function) for function in functions}
        for one in methods:
            if one.is_frozen() or one.integration.get("uri") in ours:
                raise Stop(f"{one.name} is moved already ({one.target()}), and there is no "
                           f"{self.file} here: run this in the folder that has it")
        self.kept = {
            "api": self.gateway.api, "stage": self.gateway.stage, "functions": [],
            "paths": [one["path"] for one in self.gateway.resources()],
            "methods": [[one.verb, one.path, one.told] for one in methods],
        }
        self.kept["tables"] = self.tables_of(self.old_functions())

    def read(self):
        """Reads the file."""
        if not self.file.exists():
            raise Stop(f"there is no {self.file} here, which says what to go back to")
        self._read()

    def _read(self):
        self.kept = json.loads(self.file.read_text(encoding="utf8"))
        if self.kept["stage"] != self.gateway.stage:
            raise Stop(f"{self.file} is of the stage {self.kept['stage']}")
        self._check()

    def write(self, functions=()):
        """Writes the file, unless it says all of this already."""
        known = self.kept["functions"]
        self.kept["functions"] = known + [one for one in functions if one not in known]
        if self.file.exists() and self.kept == json.loads(self.file.read_text(encoding="utf8")):
            return
        self.gateway.say(f"write {self.file}")
        if not self.gateway.is_dry:
            # Whole or not at all, whenever this is interrupted.
            new = self.file.with_suffix(".new")
            new.write_text(json.dumps(self.kept, indent=2), encoding="utf8")
            os.replace(new, self.file)

    def forget(self):
        """Puts the file away, so that another move begins with another look."""
        if self.gateway.is_dry:
            return
        away = self.file.with_suffix(".done.json")
        os.replace(self.file, away)
        print(f"Everything is as it was. {self.file} is {away} now; nothing needs it any more.")

    def drop_if_unused(self):
        """Deletes a file that was made for changes that did not begin."""
        if self.is_new and self.gateway.n_changes == 0:
            self.file.unlink(missing_ok=True)

    def put_back(self):
        """Puts every method of ours back, and removes what was added for them."""
        # A method that changed is made anew: an authorizer cannot be taken off one.
        wanted = {(verb, path): told for verb, path, told in self.kept["methods"]}
        for method in self.gateway.methods():
            key = (method.verb, method.path)
            if not self.is_routed(method):
                continue
            if wanted.get(key) == method.told:
                del wanted[key]
            else:
                what = None if key in wanted else f"remove {method.name}"
                self.gateway.remove_method(method, what)
        for (verb, path), told in wanted.items():
            self.gateway.make(Method(path, self.gateway.resource(path), verb, told))
        self._remove_resources()
        self._remove_authorizers()

    def old_functions(self):
        """Returns the functions that methods of ours went to."""
        told = [Method(path, "", verb, told) for verb, path, told in self.kept["methods"]]
        return sorted({one.function() for one in told if one.function()})

    def still_use_what_they_used(self):
        """Returns the old functions of pieces and sessions that have the tables of before the move."""
        writers = [Method(path, "", verb, told).function()
                   for verb, path, told in self.kept["methods"]
                   if (verb, path) in (("POST", "/pieces"), ("POST", "/sessions"))]
        was, now = self.kept.get("tables", {}), self.tables_of([one for one in writers if one])
        return [one for one in now if one in was and was[one] == now[one]]

    def is_routed(self, method):
        """Whether a method is one of ours."""
        return any(method.verb == verb and same(method.path, path) for verb, path in self.routes)

    def _remove_resources(self):
        """Removes the resources that were added, unless somebody uses them meanwhile."""
        removed = set()
        # The longest path first: a resource goes only after those below it.
        for one in sorted(self.gateway.resources(), key=lambda one: -len(one["path"])):
            below = [other["path"] for other in self.gateway.resources()
                     if other["path"].startswith(f"{one['path'].rstrip('/')}/")]
            theirs = [Method(one["path"], "", verb, {}) for verb in one.get("resourceMethods", {})]
            in_use = set(below) - removed or not all(map(self.is_routed, theirs))
            if one["path"] not in self.kept["paths"] and self._is_on_route(one) and not in_use:
                self.gateway.remove_resource(one)
                removed.add(one["path"])

    def _is_on_route(self, resource):
        n_parts = resource["path"].count("/")
        return any(same(resource["path"], "/".join(path.split("/")[:n_parts + 1]))
                   for _, path in self.routes)

    def _remove_authorizers(self):
        ours = {uri_of(function) for function in self.kept["functions"]}
        for one in self.gateway.authorizers():
            if one.get("authorizerUri") in ours:
                self.gateway.remove_authorizer(one)

    def _check(self):
        """Stops where a method of ours goes somewhere that neither the file nor this script knows."""
        before = {(verb, path): Method(path, "", verb, told)
                  for verb, path, told in self.kept["methods"]}
        ours = {uri_of(function) for function in self.kept["functions"]}
        for method in filter(self.is_routed, self.gateway.methods()):
            then = before.get((method.verb, method.path))
            is_known = (
                not method.integration or method.is_frozen() or method.integration.get("uri") in ours
                or (then is not None and method.goes_where(then))
            )
            if not is_known:
                was = "was not there" if then is None else f"went to {then.target()}"
                raise Stop(
                    f"somebody else has changed {method.name}: it goes to {method.target()}, and "
                    f"{was} when {self.file} was written. Put it back; or, if what is there now is "
                    f"what to go back to, move the file away")
