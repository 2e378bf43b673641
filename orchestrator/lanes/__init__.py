"""Lanes: warm Ray Train worker groups that trials pass through."""
