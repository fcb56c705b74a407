"""The registry of firms: USCC, life-cycle, and who may act for a firm."""
