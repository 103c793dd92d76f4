"""Named sets of workloads."""

from workloads.groups.files import FileGroupManager, GroupStore
from workloads.groups.model import Group
from workloads.groups.protocols import GroupManager, MemberStore

__all__ = ("FileGroupManager", "Group", "GroupManager", "GroupStore", "MemberStore")
