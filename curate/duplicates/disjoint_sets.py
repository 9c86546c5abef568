"""Disjoint sets: what hangs together, directly or through others."""

from __future__ import annotations


class Forest:
    """Union-find over strings (Tarjan 1975: path halving, union by size)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._size: dict[str, int] = {}

    def add(self, member: str) -> None:
        """Make `member` known as a tree of its own, unless it is known already."""
        if member not in self._parent:
            self._parent[member] = member
            self._size[member] = 1

    def join(self, first: str, second: str) -> None:
        """Put two members into the same tree."""
        self.add(first)
        self.add(second)
        a, b = self.root(first), self.root(second)
        if a == b:
            return
        if self._size[a] < self._size[b]:
            a, b = b, a
        self._parent[b] = a
        self._size[a] += self._size[b]

    def root(self, member: str) -> str:
        """Return the member that stands for the tree."""
        parent = self._parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    def trees(self) -> list[list[str]]:
        """Return all trees, each as a list of its members."""
        trees: dict[str, list[str]] = {}
        for member in self._parent:
            trees.setdefault(self.root(member), []).append(member)
        return list(trees.values())
