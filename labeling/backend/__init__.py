"""A model beside Label Studio: proposals when a page opens, and regions grown from clicks."""
