"""Of the shop's own tables; mailq's are mailq's."""
