"""From a wrong gradient to the line at fault: align, repair, translate, explain."""
