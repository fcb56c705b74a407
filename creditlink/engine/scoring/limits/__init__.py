"""What accompanies the score: knock-outs, too little record, caps on partial profiles."""
